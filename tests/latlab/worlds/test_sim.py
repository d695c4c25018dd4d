"""What only the sim world does; that it is the same experiment as warp is in test_equality."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest
from profiles_for_tests import make_profile

from latlab import Lab, Script, Tool
from latlab.client import CallRecord
from latlab.config import BenchmarkConfig
from latlab.worlds.run import Outcome
from latlab.worlds.sim import run_sim
from mockllm.core.connections import SetupCost
from mockllm.core.distributions import Constant
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity

LOOK = Tool("look", "Looks.", {"type": "object"}, Constant(0.25))


async def two_turns(lab: Lab) -> None:
    chat = lab.chat(system=lab.text("system", 2000), tools=[LOOK])
    chat.user(lab.text("question", 3000))
    reply = await lab.complete(chat, expect=Script(30, [("look", {})]))
    chat.tool_results(await lab.run_tools(reply.tool_calls))
    await lab.complete(chat, expect=Script(50))


def run(scenario: Any = two_turns, seed: int = 1, **config: Any) -> Outcome:
    return run_sim(scenario, make_profile(), BenchmarkConfig(**config), Draws(seed, 0))


def calls(**config: Any) -> tuple[CallRecord, ...]:
    outcome = run(**config)
    assert outcome.error is None
    return outcome.calls


def test_a_runs_time_is_its_calls_and_its_tools_one_after_the_other() -> None:
    outcome = run()
    assert outcome.run is not None
    first, second = outcome.calls
    assert (first.path, second.path) == ("main/turn-0", "main/turn-1")
    assert first.start_us == 0
    assert second.start_us == first.total_us + 250_000
    assert outcome.run.total_us == second.start_us + second.total_us


def test_the_first_call_pays_for_the_connection_and_the_next_uses_it() -> None:
    first, second = calls()
    cost_us = SetupCost(make_profile().connection).draw_us(Draws(1, 0), Identity("main/turn-0"))
    assert (first.opened, first.connect_us) == (1, cost_us)
    assert (second.opened, second.connect_us) == (0, 0)
    assert [call.opened for call in calls(connection_reuse=False)] == [1, 1]


def test_streaming_changes_when_the_first_words_come_and_not_when_the_last() -> None:
    whole, streamed = calls(), calls(streaming=True)
    for plain, early in zip(whole, streamed, strict=True):
        assert plain.total_us == early.total_us
        assert plain.ttft_us == plain.total_us
        assert early.ttft_us < early.total_us
        assert (plain.streamed, early.streamed) == (0, 1)


@pytest.mark.parametrize(
    ("placement", "start", "first", "second"),
    [
        ("off", "cold", (0, 0), (0, 0)),
        ("off", "warm", (0, 0), (0, 0)),
        ("system", "cold", (0, 1), (1, 0)),
        ("system", "warm", (1, 0), (1, 0)),
        ("conversation", "cold", (0, 1), (1, 1)),
        ("conversation", "warm", (1, 1), (1, 1)),
        ("auto", "cold", (0, 1), (1, 1)),
    ],
)
def test_each_placement_reads_and_writes_what_it_says(
    placement: str, start: str, first: tuple[int, int], second: tuple[int, int]
) -> None:
    answered = calls(cache_control=placement, cache_start=start)
    assert [(bool(call.read_tokens), bool(call.write_5m_tokens)) for call in answered] == [
        tuple(map(bool, first)),
        tuple(map(bool, second)),
    ]
    totals = [call.input_tokens + call.read_tokens + call.write_5m_tokens for call in answered]
    assert totals == [call.input_tokens for call in calls()]


def test_runs_share_nothing() -> None:
    assert run() == run()
    assert run(seed=2) != run()
    cached = run(cache_control="conversation")
    assert cached == run(cache_control="conversation")


@pytest.mark.parametrize(
    ("breaks", "says", "hopeless"),
    [
        (asyncio.Event().wait, "deadlock at 0.000000 s", True),
        (lambda: asyncio.sleep(100_000), "after 24 h of virtual time", True),
        (lambda: asyncio.to_thread(int), "NotImplementedError: the sim world has no threads", False),
    ],
)
def test_a_run_that_cannot_end_is_an_outcome(breaks: Any, says: str, hopeless: bool) -> None:
    async def scenario(lab: Lab) -> None:
        await breaks()

    outcome = run(scenario)
    assert outcome.run is None
    assert outcome.error is not None
    assert says in outcome.error
    assert outcome.hopeless == hopeless


def test_the_sim_world_loads_neither_the_sdk_nor_a_server() -> None:
    probe = (
        "import sys, latlab.worlds.sim; "
        "print([name for name in ('anthropic', 'aiohttp', 'httpx2', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_what_the_api_would_refuse_is_refused_here_too() -> None:
    async def too_long(lab: Lab) -> None:
        chat = lab.chat()
        chat.user(lab.text("book", 1_000_001))
        await lab.complete(chat, expect=Script(1))

    async def too_many(lab: Lab) -> None:
        chat = lab.chat()
        chat.user("Hello")
        await lab.complete(chat, expect=Script(1), max_tokens=0)

    profile = make_profile(max_input_tokens=1_000_000)
    assert "prompt is too long" in str(run_sim(too_long, profile, BenchmarkConfig(), Draws(1, 0)).error)
    assert "max_tokens=0" in str(run_sim(too_many, profile, BenchmarkConfig(), Draws(1, 0)).error)


def test_a_scenario_that_draws_at_random_draws_alike_in_every_process() -> None:
    import random

    async def roll(lab: Lab) -> None:
        await asyncio.sleep(random.randint(1, 1000))

    first, second = (run_sim(roll, make_profile(), BenchmarkConfig(), Draws(1, 0)) for _ in range(2))
    assert first == second
    assert first != run_sim(roll, make_profile(), BenchmarkConfig(), Draws(1, 1))
