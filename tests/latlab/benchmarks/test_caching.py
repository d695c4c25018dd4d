"""Tests of latlab/benchmarks/caching.py."""

from __future__ import annotations

from typing import Any

from latlab.benchmarks.caching import caching
from latlab.config import BenchmarkConfig


def test_it_names_its_toggle_and_what_it_shows() -> None:
    assert caching.name == "caching"
    assert caching.toggles == {"cache_control": "conversation"}
    assert caching.summary


def test_it_reads_from_the_cache(run_benchmark: Any) -> None:
    plain = run_benchmark(caching, BenchmarkConfig(cache_control="off"))
    toggled = run_benchmark(caching, BenchmarkConfig(cache_control="conversation"))
    for before, after in zip(plain, toggled, strict=True):
        assert before.read_tokens == 0
        assert after.read_tokens > 0.4 * after.prompt_tokens
