"""The wire world plans what sim plans, whatever the machine does meanwhile; what it measures is never before its time.

How late it is, no test asserts: that is the machine's.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from profiles_for_tests import make_profile, profile_tables
from studies_for_tests import write_profile

from latlab import Lab, Script, Tool
from latlab.config import BenchmarkConfig
from latlab.harness.loopback import loopback_only
from latlab.worlds.mock_process import MockProcess, mock_process
from latlab.worlds.run import Outcome, WorldError
from latlab.worlds.sim import run_sim
from latlab.worlds.warp import run_warp_agent
from latlab.worlds.wire import run_wire, run_wire_agent
from mockllm.core.distributions import Constant, Lognormal
from mockllm.core.draws import Draws
from mockllm.core.identity import check_path
from mockllm.core.profile import parse_profile
from mockllm.profiles import load

SPEED = 50.0
ROUNDING_US = 200  # of two clocks that each round to their microsecond, fifty of which are one here
IDLE_S = 30.0  # more than half a second of real time, for which no machine is busy between two calls
PROFILE = make_profile(idle_expiry_s=IDLE_S)
LOOK = Tool("look", "Looks.", {"type": "object"}, Lognormal(0.4, 0.5))
CACHED = BenchmarkConfig(streaming=True, cache_control="conversation", parallel_tools=True)
CONFIGS = [
    BenchmarkConfig(streaming=streaming, cache_control=cache, parallel_tools=streaming, connection_reuse=reuse)
    for streaming, cache, reuse in itertools.product((False, True), ("off", "conversation"), (False, True))
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockProcess]:
    idle = {"value": IDLE_S, "evidence": "published", "source": "tests"}
    connection = {**profile_tables()["connection"], "idle_expiry_s": idle}
    content = write_profile(tmp_path_factory.mktemp("profile") / "p.toml", connection=connection).read_bytes()
    assert parse_profile(content.decode(), "p.toml") == PROFILE
    with mock_process(content, 1, SPEED) as process:
        yield process


async def looker(lab: Lab) -> None:
    chat = lab.chat(system=lab.text("system", 2000), tools=[LOOK])
    chat.user(lab.text("question", 300))
    reply = await lab.complete(chat, expect=Script(30, [("look", {"at": "ünïcode ✓", "n": 1.5})] * 3))
    chat.tool_results(await lab.run_tools(reply.tool_calls))
    reply = await lab.complete(chat, expect=Script(0, [("look", {})]))
    chat.tool_results(await lab.run_tools(reply.tool_calls))
    answer = await lab.complete(chat, expect=Script(0, text="It is late."))
    assert answer.text == "It is late."
    chat.user("Go on")
    await lab.complete(chat, expect=Script(500), max_tokens=40)


def wired(
    server: MockProcess,
    scenario: Any = looker,
    config: BenchmarkConfig = CACHED,
    draws: Draws | None = None,
    *,
    sdk: bool = False,
) -> Outcome:
    with loopback_only():
        return run_wire(server, scenario, PROFILE, config, draws or Draws(7, 3), sdk=sdk)


def assert_planned_alike(wire: Outcome, virtual: Outcome) -> None:
    """Call by call, offsets to the microsecond and every token; and nothing was seen before its time."""
    assert (wire.error, virtual.error) == (None, None)
    assert wire.run is not None
    assert virtual.run is not None
    assert [call.path for call in wire.served] == [call.path for call in wire.calls]
    assert [call.path for call in wire.calls] == [call.path for call in virtual.calls]
    for measured, served, call in zip(wire.calls, wire.served, virtual.calls, strict=True):
        assert served.end_us == call.total_us - call.connect_us
        assert (served.first_us if call.streamed else served.end_us) == call.headers_us - call.connect_us
        assert served[6:11] == call[7:12] == measured[7:12]
        assert (measured.opened, measured.streamed) == (call.opened, call.streamed)
        assert measured.cost_nusd == call.cost_nusd
        assert measured.headers_us >= call.headers_us - ROUNDING_US
        assert measured.ttft_us >= call.ttft_us - ROUNDING_US
        assert measured.total_us >= call.total_us - ROUNDING_US
        assert served.admission_us >= call.connect_us - ROUNDING_US
        assert min(served.first_late_us, served.end_late_us) >= -ROUNDING_US
    assert wire.run.total_us >= virtual.run.total_us - ROUNDING_US * len(wire.calls)
    assert wire.run[2:] == virtual.run[2:]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_raw_reader_is_answered_as_sim_plans(server: MockProcess, config: BenchmarkConfig) -> None:
    outcome = wired(server, config=config)
    assert_planned_alike(outcome, run_sim(looker, PROFILE, config, Draws(7, 3)))
    assert {call.sdk_us for call in outcome.served} == {None}
    assert outcome.load is not None
    assert outcome.load.cpu_share >= 0
    assert outcome.load.worst_lag_us >= outcome.load.lag_us


@pytest.mark.parametrize("streaming", [False, True])
def test_the_sdk_is_answered_as_sim_plans_and_adds_time_of_its_own_to_what_is_streamed(
    server: MockProcess, streaming: bool
) -> None:
    config = BenchmarkConfig(streaming=streaming, cache_control="auto", cache_start="warm")
    outcome = wired(server, config=config, sdk=True)
    assert_planned_alike(outcome, run_sim(looker, PROFILE, config, Draws(7, 3)))
    for call in outcome.served:
        assert (call.sdk_us is not None) is streaming
        assert not streaming or (call.sdk_us or 0) > 0


def test_runs_have_luck_and_caches_of_their_own(server: MockProcess) -> None:
    for draws in (Draws(7, 0), Draws(7, 1), Draws(7, 0)):
        assert_planned_alike(wired(server, draws=draws), run_sim(looker, PROFILE, CACHED, draws))


def test_calls_at_once_are_answered_as_sim_plans(server: MockProcess) -> None:
    async def fan(lab: Lab) -> None:
        async def one(number: int) -> None:
            chat = lab.chat(system=lab.text(f"system-{number}", 400), name=f"agent-{number}")
            chat.user("Hello")
            await lab.complete(chat, expect=Script(20 + number))

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(one(number))

    assert_planned_alike(wired(server, fan), run_sim(fan, PROFILE, CACHED, Draws(7, 3)))


def test_what_sim_could_not_tell_ahead_is_said_all_the_same(server: MockProcess) -> None:
    said: list[int] = []

    async def watcher(lab: Lab) -> None:
        chat = lab.chat()
        for turn in range(3):
            chat.user(f"Question {turn}")
            # In real time it is later than in sim, to the microsecond, by some amount that nobody knows.
            said.append(1 + lab.now_us() % 50 if turn == 1 else 7)
            reply = (await lab.complete(chat, expect=Script(said[-1]))).reply
            assert reply.output_tokens == said[-1]

    outcome = wired(server, watcher)
    assert outcome.error is None
    assert [call.output_tokens for call in outcome.calls] == said[3:]


def test_whatever_sleeps_is_hurried_as_the_answers_are(server: MockProcess) -> None:
    async def sleeper(lab: Lab) -> None:
        await asyncio.sleep(20)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.Event().wait()

    began = time.monotonic()
    outcome = wired(server, sleeper)
    assert outcome.run is not None
    assert outcome.run.total_us >= 30_000_000
    assert time.monotonic() - began >= 30 / SPEED


def test_a_client_that_computes_is_noticed(server: MockProcess) -> None:
    async def computer(lab: Lab) -> None:
        await asyncio.sleep(1)
        time.sleep(0.1)  # noqa: ASYNC251  # the fault that is to be noticed
        await asyncio.sleep(1)

    load = wired(server, computer).load
    assert load is not None
    assert load.worst_lag_us > 50_000


async def refused(lab: Lab) -> None:
    chat = lab.chat()
    chat.user(lab.text("much", 1_100_000))
    await lab.complete(chat, expect=Script(5))


async def broken(lab: Lab) -> None:
    raise LookupError("nothing there")


@pytest.mark.parametrize("sdk", [False, True])
@pytest.mark.parametrize(
    ("scenario", "said"),
    [(refused, "prompt is too long: 1100000 tokens > 1000000 maximum"), (broken, "LookupError: nothing there (at")],
)
def test_a_run_that_fails_is_an_outcome_and_the_server_goes_on(
    server: MockProcess, scenario: Any, said: str, sdk: bool
) -> None:
    outcome = wired(server, scenario, sdk=sdk)
    assert outcome.run is None
    assert said in str(outcome.error)
    assert wired(server).error is None


# A user's own agent


async def agent(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
    asked: Any = {"model": "whichever", "max_tokens": 100}
    async with client.messages.stream(**asked, messages=[{"role": "user", "content": "Hello"}]) as stream:
        text = await stream.get_final_text()
    await asyncio.sleep(IDLE_S + 1)
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": text}]
    await client.messages.create(**asked, messages=[*turns, {"role": "user", "content": "Go on"}])
    assert [await client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "Hello"}])]


@pytest.mark.parametrize("toggles", [(), ("connection_reuse",)])
def test_an_agent_is_answered_as_in_warp_and_left_as_it_is(server: MockProcess, toggles: tuple[str, ...]) -> None:
    config, draws = BenchmarkConfig(connection_reuse=False), Draws(7, 3)
    with loopback_only():
        outcome = run_wire_agent(server, agent, PROFILE, config, draws, toggles=toggles)
    assert_planned_alike(outcome, run_warp_agent(agent, PROFILE, config, draws, toggles=toggles))
    assert sorted(call.sdk_us is not None for call in outcome.served) == [False, True]
    assert all(check_path(call.path) for call in outcome.calls)
    assert anthropic.AsyncStream.__stream__.__module__ == "anthropic._streaming"


def test_a_mock_that_is_gone_is_a_fault_of_the_machine() -> None:
    async def killer(lab: Lab) -> None:
        if lab.now_us():  # in the rehearsal it is 0
            process.child.kill()
            process.child.wait()
        chat = lab.chat()
        chat.user("Hello")
        await lab.complete(chat, expect=Script(5))

    with (
        mock_process(load("claude-sonnet-5")[1], 1, SPEED) as process,
        pytest.raises(WorldError, match="has ended by itself"),
    ):
        wired(process, killer)


def test_a_tool_sleeps_its_latency_in_the_profile_s_time(server: MockProcess) -> None:
    slow = Tool("slow", "Slow.", {"type": "object"}, Constant(4.0))

    async def tooling(lab: Lab) -> None:
        chat = lab.chat(tools=[slow])
        chat.user("Do it")
        reply = await lab.complete(chat, expect=Script(20, [("slow", {})]))
        before_us = lab.now_us()
        await lab.run_tools(reply.tool_calls)
        assert lab.now_us() - before_us >= 4_000_000 - ROUNDING_US

    assert wired(server, tooling).error is None
