"""The rules that keep the warp world exact, each held by one small test through the real SDK and server.

tests/mutations breaks each rule on purpose and expects the test that is named for it to turn red.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp import web
from profiles_for_tests import make_profile
from server_for_tests import Recorder, Served, in_warp

from latlab import Lab, Script, Tool
from latlab.config import BenchmarkConfig
from latlab.worlds.sim import run_sim
from latlab.worlds.warp import run_warp, run_warp_agent
from mockllm.core.distributions import Constant
from mockllm.core.draws import Draws
from mockllm.core.request import Request
from mockllm.emulator.admission import Emulator
from mockllm.protocols.anthropic_errors import ApiError

PROFILE = make_profile()
EVERYTHING = BenchmarkConfig(streaming=True, cache_control="conversation", parallel_tools=True)
WAIT = Tool("wait", "waits for longer than an idle connection lives", {"type": "object"}, Constant(6.0))


async def ask(lab: Lab, name: str) -> None:
    chat = lab.chat(system=lab.text("system", 2000), name=name)
    chat.user(lab.text(name, 100))
    await lab.complete(chat, expect=Script(20))


async def everything(lab: Lab) -> None:
    """Idle connections that are taken and that expire, tools at once, a growing prompt, and calls at one instant."""
    chat = lab.chat(system=lab.text("system", 2000), tools=[WAIT])
    chat.user(lab.text("question", 500))
    reply = await lab.complete(chat, expect=Script(60, [("wait", {}), ("wait", {"again": True})]))
    # At one instant, against the order of their names, with one idle connection between them.
    await asyncio.gather(*[ask(lab, name) for name in ("c", "b", "a")])
    chat.tool_results(await lab.run_tools(reply.tool_calls))
    await lab.complete(chat, expect=Script(30))


@pytest.mark.parametrize("config", [BenchmarkConfig(), EVERYTHING], ids=["plain", "everything"])
def test_sim_and_warp_measure_the_same(config: BenchmarkConfig) -> None:
    simulated = run_sim(everything, PROFILE, config, Draws(1, 0))
    assert simulated.error is None
    assert run_warp(everything, PROFILE, config, Draws(1, 0)) == simulated


def test_a_write_that_takes_long_delays_no_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    write = web.StreamResponse.write

    async def slow(response: web.StreamResponse, data: bytes) -> None:
        await write(response, data)
        await asyncio.sleep(0.0001)

    monkeypatch.setattr(web.StreamResponse, "write", slow)

    async def talk(served: Served) -> tuple[list[int], list[int]]:
        async with served.stream() as stream:
            arrived = [served.loop.now_us() async for _ in stream.text_stream]
        assert isinstance(served.emulator, Recorder)
        (answer,) = served.emulator.answers
        return arrived[1:], [answer.admitted_us + flush.at_us for flush in served.emulator.flushes(answer)][1:]

    arrived, planned = in_warp(talk, profile=make_profile(flush_gap_cv=0.1), speak=lambda _: Script(100))
    assert arrived == planned


def test_the_lab_repeats_no_call_behind_its_own_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(emulator: Emulator, request: Request, script: Script | None = None, since_us: int | None = None) -> Any:
        asked.append(request.identity.path)
        raise ApiError(529, "Overloaded")

    async def scenario(lab: Lab) -> None:
        await ask(lab, "main")

    monkeypatch.setattr(Emulator, "plan", refuse)
    outcome = run_warp(scenario, PROFILE, BenchmarkConfig(), Draws(1, 0))
    assert outcome.error is not None
    assert "Overloaded" in outcome.error
    assert asked == ["main/turn-0"]


def test_an_agent_that_draws_at_random_draws_the_same_in_every_repetition_of_a_run() -> None:
    async def agent(_: object, __: object) -> None:
        await asyncio.sleep(random.random())

    def total_us(run: int) -> int:
        outcome = run_warp_agent(agent, PROFILE, BenchmarkConfig(), Draws(1, run))
        assert outcome.run is not None
        return outcome.run.total_us

    random.seed(1)
    first = total_us(0)
    random.seed(2)
    assert total_us(0) == first
    assert total_us(1) != first
