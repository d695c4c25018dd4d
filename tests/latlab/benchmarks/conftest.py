"""Runs of a benchmark in sim under two configurations that share their luck."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from latlab.config import BenchmarkConfig
from latlab.declaration import Benchmark
from latlab.worlds.run import RunRecord
from latlab.worlds.sim import run_sim
from mockllm import profiles
from mockllm.core.draws import Draws

RunBenchmark = Callable[[Benchmark, BenchmarkConfig], list[RunRecord]]


@pytest.fixture(scope="session")
def run_benchmark() -> RunBenchmark:
    """Twenty runs of a benchmark under one configuration, on the Sonnet 5 profile."""
    profile, _ = profiles.load("claude-sonnet-5")

    def run_benchmark(benchmark: Benchmark, config: BenchmarkConfig) -> list[RunRecord]:
        outcomes = [run_sim(benchmark, profile, config, Draws(7, run)) for run in range(20)]
        assert not [outcome.error for outcome in outcomes if outcome.error]
        return [outcome.run for outcome in outcomes if outcome.run is not None]

    return run_benchmark
