"""Tests of latlab/benchmarks/streaming.py."""

from __future__ import annotations

from typing import Any

from latlab.benchmarks.streaming import streaming
from latlab.config import BenchmarkConfig


def test_it_names_its_toggle_and_what_it_shows() -> None:
    assert streaming.name == "streaming"
    assert streaming.toggles == {"streaming": True}
    assert streaming.summary


def test_it_shows_words_earlier_and_ends_no_earlier(run_benchmark: Any) -> None:
    plain = run_benchmark(streaming, BenchmarkConfig(streaming=False))
    toggled = run_benchmark(streaming, BenchmarkConfig(streaming=True))
    for before, after in zip(plain, toggled, strict=True):
        assert after.perceived_us < before.perceived_us
        assert after.total_us == before.total_us
