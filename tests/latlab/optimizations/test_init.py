"""How a configuration becomes interceptors: each changes what it says and nothing else."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import fields
from typing import Any

import pytest

from latlab.client import Call
from latlab.config import BenchmarkConfig
from latlab.conversation import Chat
from latlab.optimizations import TOGGLES, fan_out_of, wrap_send
from latlab.optimizations.cache_control import PLACEMENTS
from latlab.optimizations.parallel_tools import at_once, in_turn
from mockllm.core.reply import Script

PLAIN = Call("main/turn-0", Chat("main", "", []), 1, 100, Script(5))
WORDS = {"true": True, "false": False}


def shaped(config: BenchmarkConfig) -> Call:
    """The call as it leaves every interceptor of `config`."""
    sent: list[Call] = []

    async def send(call: Call) -> Any:
        sent.append(call)
        return "answer"

    async def whole() -> Any:
        return await wrap_send(config, send)(PLAIN)

    assert asyncio.run(whole()) == "answer"
    (call,) = sent
    return call


@pytest.mark.parametrize(
    "config",
    [BenchmarkConfig(*values) for values in itertools.product((False, True), PLACEMENTS, (False, True), (False, True))],
)
def test_a_call_is_shaped_by_its_toggles_and_by_nothing_else(config: BenchmarkConfig) -> None:
    call = shaped(config)
    assert call.stream == config.streaming
    assert (call.breakpoints, call.automatic_cache) == PLACEMENTS[config.cache_control]
    assert call.reuse_connection == config.connection_reuse
    assert (call.path, call.chat, call.turns, call.max_tokens, call.script, call.attempt) == (
        PLAIN.path,
        PLAIN.chat,
        PLAIN.turns,
        PLAIN.max_tokens,
        PLAIN.script,
        PLAIN.attempt,
    )
    assert fan_out_of(config) is (at_once if config.parallel_tools else in_turn)


def test_the_defaults_change_nothing() -> None:
    async def send(call: Call) -> Any: ...

    assert wrap_send(BenchmarkConfig(), send) is send


def test_every_toggle_is_a_field_of_the_configuration_with_the_same_default() -> None:
    defaults = {field.name: field.default for field in fields(BenchmarkConfig)}
    for toggle in TOGGLES:
        assert toggle.default in toggle.values
        assert defaults[toggle.name] == WORDS.get(toggle.default, toggle.default)
        assert toggle.summary
    assert len({toggle.name for toggle in TOGGLES}) == len(TOGGLES)
