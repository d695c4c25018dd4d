from __future__ import annotations

import asyncio

import pytest
from profiles_for_tests import make_profile

from latlab import LatlabError
from latlab.client import CallRecord
from latlab.config import CURRENT_LAB, BenchmarkConfig
from latlab.lab import Lab
from latlab.worlds.run import failure, live, record_run
from latlab.worlds.sim import run_sim
from mockllm.clock.instants import DeadlockError
from mockllm.core.draws import Draws


def call(path: str, attempt: int = 0, read: int = 0, opened: int = 0, cost: int = 0) -> CallRecord:
    return CallRecord(path, attempt, 0, 0, 5, 6, 7, 100, read, 10, 1, 50, opened, 1, cost)


def test_a_run_is_the_sum_of_its_calls_in_the_order_of_their_paths() -> None:
    calls = [call("b", cost=3), call("a", 1, read=40, opened=1, cost=2), call("a", 0, opened=1, cost=1)]
    outcome = record_run(1_000, 600, 4, calls)
    assert outcome.run is not None
    assert [(kept.path, kept.attempt) for kept in outcome.calls] == [("a", 0), ("a", 1), ("b", 0)]
    assert outcome.run.prompt_tokens == 3 * 111 + 40
    assert outcome.run.read_tokens == 40
    assert (outcome.run.calls, outcome.run.tool_calls, outcome.run.connections_opened) == (3, 4, 2)
    assert (outcome.run.total_us, outcome.run.perceived_us, outcome.run.cost_nusd) == (1_000, 600, 6)
    assert (outcome.error, outcome.hopeless) == (None, False)


def test_a_run_that_showed_nothing_is_seen_when_it_ends() -> None:
    run = record_run(1_000, None, 0, []).run
    assert run is not None
    assert (run.perceived_us, run.calls) == (1_000, 0)


def test_a_failure_of_the_scenario_is_one_line_with_its_place() -> None:
    def fail() -> None:
        raise LookupError("no\n  such thing")

    try:
        fail()
    except LookupError as error:
        outcome = failure(error)
    assert outcome.run is None
    assert outcome.calls == ()
    assert outcome.error is not None
    assert outcome.error.startswith("LookupError: no such thing (at test_run.py:")
    assert not outcome.hopeless


def test_a_failure_does_not_tell_where_an_object_lies_in_memory() -> None:
    assert failure(LatlabError(f"no {object()} here")).error == "no <object object> here"


def test_a_failure_without_words_is_its_kind() -> None:
    assert failure(AssertionError()).error == "AssertionError"


def test_a_failure_of_ours_is_its_message_alone() -> None:
    assert failure(LatlabError("mend it so")).error == "mend it so"


def test_a_group_of_one_is_what_it_holds_and_a_deadlock_is_hopeless() -> None:
    outcome = failure(ExceptionGroup("all", [ExceptionGroup("inner", [DeadlockError("stuck")])]))
    assert (outcome.error, outcome.hopeless) == ("stuck", True)
    assert failure(ExceptionGroup("all", [LookupError("a"), LookupError("b")])).error == "LookupError: a"


def test_a_benchmark_finds_the_lab_of_its_own_run() -> None:
    seen: list[Lab] = []

    async def scenario(lab: Lab) -> None:
        await asyncio.sleep(1)
        assert lab.config.lab is lab
        seen.append(lab)

    for _ in range(2):
        assert run_sim(scenario, make_profile(), BenchmarkConfig(), Draws(1, 0)).error is None
    assert seen[0] is not seen[1]
    with pytest.raises(LookupError):
        CURRENT_LAB.get()


def test_a_run_ends_when_its_scenario_does() -> None:
    ended: list[int] = []

    async def scenario(lab: Lab) -> None:
        async def short(lab: Lab) -> None:
            await asyncio.sleep(2)

        ended.append(await live(short, lab))

    run_sim(scenario, make_profile(), BenchmarkConfig(), Draws(1, 0))
    assert ended == [2_000_000]
