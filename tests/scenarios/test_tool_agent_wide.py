"""Tests of scenarios/tool_agent_wide.py: many searches a turn, the same in every arm."""

from __future__ import annotations

import statistics
from typing import Any

from latlab import BenchmarkConfig

NAME = "tool_agent_wide"


def test_it_runs_and_says_the_same_in_every_arm(run_scenario: Any, every_arm: list[Any]) -> None:
    assert len(every_arm) == 32
    for run in range(4):
        said = run_scenario(NAME, run).chat.turns
        for arm in every_arm:
            assert run_scenario(NAME, run, arm).chat.turns == said, arm


def test_it_makes_four_to_eight_searches_in_each_of_up_to_three_rounds(run_scenario: Any) -> None:
    runs = [run_scenario(NAME, run) for run in range(200)]
    assert {run.chat.rounds for run in runs} == {1, 2, 3}
    assert {calls for run in runs for calls in run.calls_by_turn[:-1]} == {4, 5, 6, 7, 8}


def test_its_contexts_stay_inside_the_recordings(run_scenario: Any) -> None:
    contexts = [tokens for run in range(200) for tokens in run_scenario(NAME, run).contexts]
    assert min(contexts) >= 28_000
    assert max(contexts) < 200_000


def test_parallel_tools_pay_here(run_scenario: Any) -> None:
    saved = []
    for run in range(60):
        plain, parallel = run_scenario(NAME, run), run_scenario(NAME, run, BenchmarkConfig(parallel_tools=True))
        saved.append(1 - parallel.outcome.run.total_us / plain.outcome.run.total_us)
    assert min(saved) > 0
    assert statistics.median(saved) > 0.1


def test_its_system_prompt_is_long_enough_to_be_cached(run_scenario: Any) -> None:
    marked = run_scenario(NAME, 0, BenchmarkConfig(cache_control="system")).outcome.calls[0]
    assert 1_400 < marked.write_5m_tokens < 3_000
