"""Tests of examples/plan_form.py: the plan's own form of a benchmark, as it is written."""

from __future__ import annotations

from pathlib import Path

from latlab.benchmarks.shipped import import_file
from latlab.config import BenchmarkConfig
from latlab.worlds.run import RunRecord
from latlab.worlds.sim import run_sim
from mockllm import profiles
from mockllm.core.draws import Draws

example = import_file(Path(__file__).resolve().parents[2] / "examples" / "plan_form.py")


def run(config: BenchmarkConfig) -> RunRecord:
    profile, _ = profiles.load("claude-sonnet-5")
    outcome = run_sim(example.run_scenario, profile, config, Draws(7, 0))
    assert outcome.run is not None, outcome.error
    return outcome.run


def test_it_declares_a_benchmark_of_three_toggles() -> None:
    assert example.run_scenario.name == "run_scenario"
    assert example.run_scenario.toggles == {
        "streaming": True,
        "cache_control": "conversation",
        "parallel_tools": True,
    }


def test_each_of_its_toggles_shows() -> None:
    plain = run(BenchmarkConfig())
    assert (plain.calls, plain.tool_calls, plain.read_tokens) == (2, 4, 0)
    assert run(BenchmarkConfig(streaming=True)).perceived_us < plain.perceived_us
    assert run(BenchmarkConfig(cache_control="conversation")).read_tokens >= 30_000
    assert run(BenchmarkConfig(parallel_tools=True)).total_us < plain.total_us
