"""Connection reuse: calls share kept-alive connections in place of setting up their own."""

from __future__ import annotations

from latlab.benchmarks.shipped import shipped_scenario
from latlab.config import BenchmarkConfig
from latlab.declaration import benchmark

__all__ = ["connection"]


@benchmark(connection_reuse=True)
async def connection(config: BenchmarkConfig) -> object:
    """what a tool loop saves by not setting up a connection for every call"""
    return await shipped_scenario("tool_agent")(config.lab)
