"""Tests of examples/own_agent.py: a plain SDK agent, run as it is in virtual time."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from latlab.benchmarks.shipped import import_file
from latlab.config import BenchmarkConfig
from latlab.worlds.run import Outcome
from latlab.worlds.warp import run_warp_agent
from mockllm import profiles
from mockllm.core.draws import Draws

FILE = Path(__file__).resolve().parents[2] / "examples" / "own_agent.py"
agent = import_file(FILE)


def run(**toggles: Any) -> Outcome:
    profile, _ = profiles.load("claude-sonnet-5")
    outcome = run_warp_agent(agent.run, profile, BenchmarkConfig(**toggles), Draws(7, 0), toggles=toggles)
    assert outcome.error is None, outcome.error
    return outcome


def test_it_knows_nothing_of_the_lab() -> None:
    imported = set()
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert not {name for name in imported if name.partition(".")[0] in {"latlab", "mockllm"}}


def test_it_takes_more_than_thirty_virtual_seconds_and_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = run()
    assert outcome.run is not None
    assert outcome.run.total_us > 30_000_000
    assert outcome.run.tool_calls >= len(agent.QUESTIONS) * len(agent.ANGLES)
    assert sum(call.streamed for call in outcome.calls) == len(agent.QUESTIONS)
    assert capfd.readouterr() == ("", "")


def test_the_same_run_is_the_same_twice() -> None:
    assert run() == run()


def test_caching_shows_in_the_usage_that_the_sdk_reports() -> None:
    off, automatic = run(cache_control="off"), run(cache_control="auto")
    assert sum(call.read_tokens for call in off.calls) == 0
    assert sum(call.read_tokens for call in automatic.calls) > 10_000
    assert [call.output_tokens for call in automatic.calls] == [call.output_tokens for call in off.calls]


@pytest.mark.parametrize(
    ("name", "given", "failed"),
    [
        ("read_metrics", {"service": "payment-api"}, False),
        ("read_metrics", {"service": "payment-api", "zone": "eu-2"}, True),
        ("read_minds", {}, True),
    ],
)
def test_a_call_that_cannot_be_made_is_told_to_the_model(name: str, given: dict[str, str], failed: bool) -> None:
    result = asyncio.run(agent.run_tool(SimpleNamespace(id="toolu_1", name=name, input=given)))
    assert result["tool_use_id"] == "toolu_1"
    assert result.get("is_error", False) is failed
