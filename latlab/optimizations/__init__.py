"""The optimisations: one module a mechanism, each an interceptor round a call or a fan-out that no scenario knows of.

A mechanism is its `TOGGLE` (name in the configuration, values, default) and a function that wraps what it acts on.
"""

from __future__ import annotations

from latlab.config import BenchmarkConfig
from latlab.optimizations import cache_control, connection_reuse, parallel_tools, streaming
from latlab.optimizations.toggle import FanOut, Send, Toggle

__all__ = ["TOGGLES", "Toggle", "fan_out_of", "wrap_send"]

TOGGLES: tuple[Toggle, ...] = (
    streaming.TOGGLE,
    cache_control.TOGGLE,
    parallel_tools.TOGGLE,
    connection_reuse.TOGGLE,
)


def wrap_send(config: BenchmarkConfig, send: Send) -> Send:
    """`send` with every optimisation of `config` that acts on a single call."""
    if config.streaming:
        send = streaming.wrap(send)
    if config.cache_control != "off":
        send = cache_control.wrap(send, config.cache_control)
    return send if config.connection_reuse else connection_reuse.unshared(send)


def fan_out_of(config: BenchmarkConfig) -> FanOut:
    """How `config` runs the tool calls of one turn."""
    return parallel_tools.at_once if config.parallel_tools else parallel_tools.in_turn
