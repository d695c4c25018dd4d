"""Sim and warp are one experiment also where a call is refused, cut or given up, and in what a tool is given."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from profiles_for_tests import make_profile
from worlds_for_tests import TIED, both

from latlab import Lab, Script, Tool, ToolRequest
from latlab.config import BenchmarkConfig
from latlab.harness.targets import load_target
from latlab.worlds.sim import run_sim
from latlab.worlds.warp import run_warp
from mockllm.core.distributions import Constant
from mockllm.core.draws import Draws


@pytest.mark.parametrize("streaming", [False, True])
def test_an_answer_of_which_nothing_is_left_shows_nothing_before_its_end(streaming: bool) -> None:
    async def cut(lab: Lab) -> None:
        chat = lab.chat()
        chat.user("Hello")
        await lab.complete(chat, expect=Script(10, [("look", {"at": "long" * 100})]), max_tokens=20)

    outcome = both(cut, make_profile(), BenchmarkConfig(streaming=streaming), Draws(1, 0))
    assert [call.ttft_us == call.total_us for call in outcome.calls] == [True]


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize(
    ("limits", "tokens"),
    [({"max_input_tokens": 3000}, 5000), ({"max_output_tokens": 50}, 100), ({"breakpoints": 1.0}, 3000)],
)
def test_a_call_that_is_refused_leaves_its_connection_and_time_as_they_were(
    limits: dict[str, Any], tokens: int, reuse: bool
) -> None:
    async def refused(lab: Lab) -> None:
        asked = lab.chat(name="a", system=lab.text("system", 200))
        asked.user(lab.text("long", tokens))
        with contextlib.suppress(Exception):
            await lab.complete(asked, expect=Script(5), max_tokens=100)
        await asyncio.sleep(1)
        chat = lab.chat(name="b")
        chat.user("Hello")
        await lab.complete(chat, expect=Script(5), max_tokens=50)

    config = BenchmarkConfig(cache_control="conversation", connection_reuse=reuse)
    outcome = both(refused, make_profile(**limits), config, Draws(1, 0))
    assert [(call.path, call.opened) for call in outcome.calls] == [("b/turn-0", not reuse)]


@pytest.mark.parametrize("max_output_tokens", [8192, 128_000])
def test_a_call_asks_for_no_more_than_the_model_gives(max_output_tokens: int) -> None:
    both(
        load_target("simple_qa").run, make_profile(max_output_tokens=max_output_tokens), BenchmarkConfig(), Draws(1, 0)
    )


@pytest.mark.parametrize("rate", [10.0, 14.0])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_client_waits_ten_minutes_for_its_answer_to_begin(rate: float, streaming: bool) -> None:
    given_up: list[str] = []

    async def slow(lab: Lab) -> None:
        for name in ("a", "b"):
            chat = lab.chat(name=name)
            chat.user("Hello")
            try:
                await lab.complete(chat, expect=Script(7000 if name == "a" else 5))
            except Exception:
                given_up.append(f"{name} {lab.now_us()}")

    profile = make_profile(tokens_per_s=rate, **TIED)
    outcome = both(slow, profile, BenchmarkConfig(streaming=streaming), Draws(1, 0))
    assert len(given_up) == (2 if rate == 10.0 and not streaming else 0)
    assert len(set(given_up)) <= 1
    assert len(outcome.calls) == (1 if given_up else 2)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("ttft_s", "calls"), [(599.999999, 1), (600.0, 0), (600.000001, 0)])
def test_an_answer_that_begins_as_the_client_gives_up_comes_too_late(
    ttft_s: float, calls: int, streaming: bool
) -> None:
    async def late(lab: Lab) -> None:
        chat = lab.chat()
        chat.user("Hello")
        with contextlib.suppress(Exception):
            await lab.complete(chat, expect=Script(1))

    profile = make_profile(intercept_s=ttft_s, uncached_s_per_1k=0.0, **TIED)
    assert len(both(late, profile, BenchmarkConfig(streaming=streaming), Draws(1, 0)).calls) == calls


@pytest.mark.parametrize(("setup_s", "calls"), [(4.9, 2), (5.0, 2), (5.1, 0)])
def test_a_client_waits_five_seconds_for_a_connection(setup_s: float, calls: int) -> None:
    ended: list[int] = []

    async def far_away(lab: Lab) -> None:
        for name in ("a", "b"):
            chat = lab.chat(name=name)
            chat.user("Hello")
            with contextlib.suppress(Exception):
                await lab.complete(chat, expect=Script(5))
            ended.append(lab.now_us())

    outcome = both(far_away, make_profile(setup_s=setup_s, **TIED), BenchmarkConfig(), Draws(1, 0))
    assert len(outcome.calls) == calls
    assert ended[:2] == ended[2:]
    assert calls or ended[:2] == [5_000_000, 10_000_000]


@pytest.mark.parametrize("how", ["timeout", "cancel", "turns"])
def test_a_tool_that_takes_no_time_gives_way_all_the_same(how: str) -> None:
    logs: list[list[str]] = []

    async def scenario(lab: Lab) -> None:
        log: list[str] = []
        logs.append(log)

        async def note(what: str) -> None:
            log.append(what)

        chat = lab.chat(tools=[Tool("look", "Looks.", {"type": "object"}, Constant(0.0))])
        chat.user("Hello")
        calls = (await lab.complete(chat, expect=Script(30, [("look", {})]))).tool_calls
        other = asyncio.create_task(note("other"))
        task = asyncio.current_task()
        assert task is not None
        try:
            if how == "cancel":
                task.cancel()
            async with asyncio.timeout(0 if how == "timeout" else 10):
                await lab.run_tools(calls)
            log.append("tool")
        except (TimeoutError, asyncio.CancelledError) as error:
            log.append(type(error).__name__)
            task.uncancel()
        await asyncio.sleep(1)
        await other

    both(scenario, make_profile(), BenchmarkConfig(), Draws(1, 0))
    assert logs[0] == logs[1]


@pytest.mark.parametrize("parallel", [False, True])
def test_a_tools_own_error_is_told_alike_in_every_arm(parallel: bool) -> None:
    def answer(arguments: Any) -> str:
        raise LookupError("not there")

    async def scenario(lab: Lab) -> None:
        chat = lab.chat(tools=[Tool("look", "Looks.", {"type": "object"}, Constant(0.25), answer=answer)])
        chat.user("Hello")
        await lab.run_tools((await lab.complete(chat, expect=Script(30, [("look", {}), ("look", {})]))).tool_calls)

    config = BenchmarkConfig(parallel_tools=parallel)
    for world in (run_sim, run_warp):
        outcome = world(scenario, make_profile(), config, Draws(1, 0))
        assert outcome.error is not None
        assert outcome.error.startswith("LookupError: not there (at test_equality_at_the_limits.py:")


def test_a_tool_is_given_what_json_makes_of_its_arguments_each_time_anew() -> None:
    seen: list[object] = []

    def answer(arguments: Any) -> str:
        seen.append(arguments.pop("at"))
        return str(sorted(arguments))

    tool = Tool("look", "Looks.", {"type": "object"}, Constant(0.25), answer=answer)
    ask = Script(30, [ToolRequest.of("look", {"at": ("Oslo",), 1: None}), ("look", {"at": ("Oslo",), 1: None})])

    async def scenario(lab: Lab) -> None:
        chat = lab.chat(tools=[tool])
        chat.user("Hello")
        for _ in range(2):
            chat.tool_results(await lab.run_tools((await lab.complete(chat, expect=ask)).tool_calls))
        await lab.complete(chat, expect=Script(5))

    both(scenario, make_profile(), BenchmarkConfig(), Draws(1, 0))
    assert seen == [["Oslo"]] * 8
