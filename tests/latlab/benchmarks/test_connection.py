"""Tests of latlab/benchmarks/connection.py."""

from __future__ import annotations

from typing import Any

from latlab.benchmarks.connection import connection
from latlab.config import BenchmarkConfig


def test_it_names_its_toggle_and_what_it_shows() -> None:
    assert connection.name == "connection"
    assert connection.toggles == {"connection_reuse": True}
    assert connection.summary


def test_it_opens_fewer_connections(run_benchmark: Any) -> None:
    plain = run_benchmark(connection, BenchmarkConfig(connection_reuse=False))
    toggled = run_benchmark(connection, BenchmarkConfig(connection_reuse=True))
    for before, after in zip(plain, toggled, strict=True):
        assert before.connections_opened == before.calls
        assert after.connections_opened <= before.connections_opened
    assert sum(after.connections_opened for after in toggled) < sum(before.connections_opened for before in plain)
