"""Tests of latlab/benchmarks/parallelism.py."""

from __future__ import annotations

from typing import Any

from latlab.benchmarks.parallelism import parallelism
from latlab.config import BenchmarkConfig


def test_it_names_its_toggle_and_what_it_shows() -> None:
    assert parallelism.name == "parallelism"
    assert parallelism.toggles == {"parallel_tools": True}
    assert parallelism.summary


def test_it_ends_earlier_with_the_same_calls(run_benchmark: Any) -> None:
    plain = run_benchmark(parallelism, BenchmarkConfig(parallel_tools=False))
    toggled = run_benchmark(parallelism, BenchmarkConfig(parallel_tools=True))
    for before, after in zip(plain, toggled, strict=True):
        assert after.total_us < before.total_us
        assert (after.calls, after.tool_calls) == (before.calls, before.tool_calls)
