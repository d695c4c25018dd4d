"""The configuration of one arm: what every toggle is set to, and under which conditions."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latlab import LatlabError

if TYPE_CHECKING:
    from latlab.lab import Lab

__all__ = ["CURRENT_LAB", "BenchmarkConfig", "NoLabError"]

CURRENT_LAB: ContextVar[Lab] = ContextVar("latlab_lab")


class NoLabError(LatlabError):
    """`config.lab` was asked for outside a run."""


@dataclass(frozen=True, slots=True)
class BenchmarkConfig:
    """One arm's toggles. The defaults are the plain way to write an agent with the provider's SDK.

    `streaming`: answers are streamed. `cache_control`: off, system (a breakpoint after the system prompt), conversation
    (that, and one that moves with the last message) or auto (the provider places it). `parallel_tools`: the tool calls
    of one turn run at once. `connection_reuse`: calls share a pool of kept-alive connections. `cache_start`: cold, or
    warm where the system prompt was cached just before the run (a condition, not an optimisation).
    """

    streaming: bool = False
    cache_control: str = "off"
    parallel_tools: bool = False
    connection_reuse: bool = True
    cache_start: str = "cold"

    @property
    def lab(self) -> Lab:
        """The laboratory of the run in which this is asked."""
        try:
            return CURRENT_LAB.get()
        except LookupError:
            raise NoLabError("config.lab: there is no run here; start the benchmark with latlab run FILE") from None
