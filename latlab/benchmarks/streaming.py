"""Streaming: the answer is seen as it is written."""

from __future__ import annotations

from latlab.benchmarks.shipped import shipped_scenario
from latlab.config import BenchmarkConfig
from latlab.declaration import benchmark

__all__ = ["streaming"]


@benchmark(streaming=True)
async def streaming(config: BenchmarkConfig) -> object:
    """when the user sees the first words of one long answer"""
    return await shipped_scenario("simple_qa")(config.lab)
