"""Parallel tools: the independent calls of one turn run at once."""

from __future__ import annotations

from latlab.benchmarks.shipped import shipped_scenario
from latlab.config import BenchmarkConfig
from latlab.declaration import benchmark

__all__ = ["parallelism"]


@benchmark(parallel_tools=True)
async def parallelism(config: BenchmarkConfig) -> object:
    """what running a turn's tools at once saves where questions fan out widely"""
    return await shipped_scenario("tool_agent_wide")(config.lab)
