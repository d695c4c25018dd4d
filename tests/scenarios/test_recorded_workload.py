"""Tests of scenarios/recorded_workload.py: its tables are the recordings', and a plan speaks by them."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from latlab.benchmarks.shipped import import_file, scenarios_folder
from mockllm.core.distributions import Constant, QuantileTable
from mockllm.core.reply import ToolRequest

workload = import_file(scenarios_folder() / "recorded_workload.py")
FINAL = 30  # a count of output tokens above this is the one that a stream ended with


@dataclass(frozen=True, slots=True)
class Request:
    """One recorded request."""

    session: str
    at_s: float
    input_tokens: int
    output_tokens: int
    tool_calls: int


@pytest.fixture(scope="module")
def requests(recordings: Path) -> list[Request]:
    with gzip.open(recordings / "claude_code_sessions.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [
            Request(
                row["session"],
                float(row["ts"]),
                int(row["input_tokens"]),
                int(row["output_tokens"]),
                row["block_types"].split("|").count("tool_use"),
            )
            for row in csv.DictReader(file)
        ]


def assert_quantiles(table: QuantileTable, recorded: list[int]) -> None:
    assert [round(value) for value in np.quantile(recorded, table.levels)] == list(table.values)


def test_contexts_are_the_recorded_ones(requests: list[Request]) -> None:
    assert_quantiles(workload.CONTEXT_TOKENS, [request.input_tokens for request in requests])


def test_turns_are_as_long_as_the_recorded_ones(requests: list[Request]) -> None:
    written = [request.output_tokens for request in requests if request.tool_calls and request.output_tokens > FINAL]
    assert len(written) == 323
    assert_quantiles(workload.TURN_TOKENS, written)


def test_what_is_left_out_are_counts_from_the_start_of_a_stream(requests: list[Request]) -> None:
    assert not [request for request in requests if 28 < request.output_tokens < 60]


def test_results_are_as_long_as_the_recorded_ones(requests: list[Request]) -> None:
    by_time = sorted(requests, key=lambda request: (request.session, request.at_s))
    grown = [
        after.input_tokens - before.input_tokens - before.output_tokens
        for before, after in pairwise(by_time)
        if before.session == after.session
        and before.tool_calls == 1
        and before.output_tokens > FINAL
        and after.input_tokens > before.input_tokens
    ]
    assert len(grown) == 284
    assert_quantiles(workload.RESULT_TOKENS, grown)


def test_a_turn_makes_as_many_calls_as_the_recorded_ones(requests: list[Request]) -> None:
    counted = Counter(request.tool_calls for request in requests if request.tool_calls)
    assert dict(zip(workload.CALLS_PER_TURN.values, workload.CALLS_PER_TURN.weights, strict=True)) == counted


def test_chat_answers_are_as_long_as_the_recorded_ones(recordings: Path) -> None:
    with gzip.open(recordings / "azure2023_conv.csv.gz", "rt", encoding="utf-8", newline="") as file:
        assert_quantiles(workload.CHAT_ANSWER_TOKENS, [int(row["output_tokens"]) for row in csv.DictReader(file)])


class _Luck:
    """A lab whose uniforms are all the same, and known."""

    def __init__(self, u: float) -> None:
        self.u = u

    def uniforms(self, name: str, path: str = "") -> tuple[float, ...]:
        return (self.u,) * 4

    def draw(self, distribution: Any, name: str, path: str = "") -> float:
        return float(distribution.quantile(self.u))


REQUESTS = [ToolRequest.of(name, {}) for name in ("first", "second", "third")]


@pytest.mark.parametrize(
    ("u", "asked"),
    [(0.1, ["first", "second"]), (0.5, ["second", "third"]), (0.9, ["third", "first"])],
)
def test_a_turn_asks_on_from_a_drawn_place_and_round_the_end(u: float, asked: list[str]) -> None:
    plan = workload.TurnPlan(REQUESTS, calls=Constant(2))
    script = plan(_Luck(u), SimpleNamespace(name="main", rounds=0), "main/turn-0")
    assert [name for name, *_ in script.tool_uses] == asked
    assert script.output_tokens == round(workload.TURN_TOKENS.quantile(u))


def test_the_answer_comes_when_the_rounds_are_over() -> None:
    plan = workload.TurnPlan(REQUESTS, rounds=Constant(2), answer_tokens=Constant(321))
    said = [plan(_Luck(0.5), SimpleNamespace(name="main", rounds=rounds), "main/turn") for rounds in range(3)]
    assert [bool(script.tool_uses) for script in said] == [True, True, False]
    assert said[-1].output_tokens == 321
