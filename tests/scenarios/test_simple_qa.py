"""Tests of scenarios/simple_qa.py: one call, as large as recorded ones, the same in every arm."""

from __future__ import annotations

import statistics
from typing import Any

NAME = "simple_qa"


def test_it_runs_and_says_the_same_in_every_arm(run_scenario: Any, every_arm: list[Any]) -> None:
    assert len(every_arm) == 32
    for run in range(4):
        said = run_scenario(NAME, run).chat.turns
        for arm in every_arm:
            assert run_scenario(NAME, run, arm).chat.turns == said, arm


def test_it_is_one_question_and_one_answer(run_scenario: Any) -> None:
    runs = [run_scenario(NAME, run) for run in range(50)]
    assert {len(run.outcome.calls) for run in runs} == {1}
    assert {tuple(turn.role for turn in run.chat.turns) for run in runs} == {("user", "assistant")}
    assert len({run.chat.turns[0].parts[1] for run in runs}) > 3


def test_its_contexts_are_those_of_the_recordings(run_scenario: Any) -> None:
    contexts = [run_scenario(NAME, run).contexts[0] for run in range(300)]
    assert 28_000 <= min(contexts) < 32_000
    assert 140_000 < max(contexts) <= 154_300
    assert 70_000 < statistics.median(contexts) < 81_000


def test_its_answers_are_those_of_the_recordings(run_scenario: Any) -> None:
    written = [run_scenario(NAME, run).outcome.calls[0].output_tokens for run in range(300)]
    assert 16 <= min(written) <= max(written) <= 601
    assert 110 < statistics.median(written) < 155


def test_its_system_prompt_is_long_enough_to_be_cached(run_scenario: Any, every_arm: list[Any]) -> None:
    marked = [arm for arm in every_arm if arm.cache_control == "system"]
    assert marked
    for arm in marked:
        assert 1_400 < run_scenario(NAME, 0, arm).outcome.calls[0].write_5m_tokens < 3_000
