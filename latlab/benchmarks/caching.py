"""Prompt caching: what every turn of a tool loop sends again is read from the cache."""

from __future__ import annotations

from latlab.benchmarks.shipped import shipped_scenario
from latlab.config import BenchmarkConfig
from latlab.declaration import benchmark

__all__ = ["caching"]


@benchmark(cache_control=True)
async def caching(config: BenchmarkConfig) -> object:
    """what a tool loop saves by reading its own past from the prompt cache"""
    return await shipped_scenario("tool_agent")(config.lab)
