"""Tests of scenarios/tool_agent.py: a tool loop of recorded proportions, the same in every arm."""

from __future__ import annotations

import statistics
from math import sqrt
from typing import Any

from latlab import BenchmarkConfig
from latlab.benchmarks.shipped import scenarios_folder

NAME = "tool_agent"


def test_it_runs_and_says_the_same_in_every_arm(run_scenario: Any, every_arm: list[Any]) -> None:
    assert len(every_arm) == 32
    for run in range(4):
        plain = run_scenario(NAME, run)
        for arm in every_arm:
            other = run_scenario(NAME, run, arm)
            assert other.chat.turns == plain.chat.turns, arm
            assert other.contexts == plain.contexts, arm
            written = [call.output_tokens for call in other.outcome.calls]
            assert written == [call.output_tokens for call in plain.outcome.calls], arm


def test_it_asks_for_one_to_eight_rounds_of_tools_and_then_answers(run_scenario: Any) -> None:
    runs = [run_scenario(NAME, run) for run in range(300)]
    assert {run.chat.rounds for run in runs} == {1, 2, 3, 4, 5, 6, 7, 8}
    for run in runs:
        *asking, answering = run.calls_by_turn
        assert all(asking)
        assert answering == 0
        assert run.results_by_turn == asking


def test_two_or_more_calls_in_a_turn_are_as_rare_as_recorded(run_scenario: Any) -> None:
    turns = [calls for run in range(300) for calls in run_scenario(NAME, run).calls_by_turn if calls]
    recorded = 74 / 539
    deviation = sqrt(recorded * (1 - recorded) / len(turns))
    assert abs(sum(calls > 1 for calls in turns) / len(turns) - recorded) < 3 * deviation
    assert set(turns) <= {1, 2, 3, 4, 5, 6, 8, 9}


def test_its_contexts_stay_inside_the_recordings(run_scenario: Any) -> None:
    runs = [run_scenario(NAME, run) for run in range(300)]
    first = [run.contexts[0] for run in runs]
    assert min(first) >= 28_000
    assert max(first) <= 154_300
    assert 70_000 < statistics.median(first) < 81_000
    assert max(run.contexts[-1] for run in runs) < 200_000
    assert all(run.contexts == sorted(run.contexts) for run in runs)


def test_parallel_tools_help_only_where_a_turn_has_two(run_scenario: Any) -> None:
    faster = 0
    for number in range(60):
        plain = run_scenario(NAME, number)
        parallel = run_scenario(NAME, number, BenchmarkConfig(parallel_tools=True))
        if max(plain.calls_by_turn) == 1:
            assert parallel.outcome == plain.outcome
        else:
            faster += parallel.outcome.run.total_us < plain.outcome.run.total_us
    assert faster


def test_its_system_prompt_is_long_enough_to_be_cached(run_scenario: Any) -> None:
    marked = run_scenario(NAME, 0, BenchmarkConfig(cache_control="system")).outcome.calls[0]
    assert 1_500 < marked.write_5m_tokens < 3_000


def test_no_shipped_scenario_draws_from_anywhere_but_the_lab() -> None:
    # The executors do not seed `random` for them.
    for file in scenarios_folder().glob("*.py"):
        source = file.read_text(encoding="utf-8")
        assert "import random" not in source
        assert "from random" not in source
