"""When the moments of a plan come: at fixed ones for an answer that shares nothing, else as fast as there is room."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from mockllm.core.clock import Clock

__all__ = ["Fixed", "Pace"]


class Pace(Protocol):
    """Turns the moments of a plan, in microseconds from its beginning, into those of the run."""

    def reach(self, at_us: int) -> Awaitable[None] | None:
        """Done when the plan's moment `at_us` has come; None where it has already."""
        ...


class Fixed:
    """The pace of an answer that shares nothing: absolute deadlines from `begun_us` of the clock on."""

    __slots__ = ("_begun_us", "_clock")

    def __init__(self, clock: Clock, begun_us: int) -> None:
        self._clock = clock
        self._begun_us = begun_us

    def reach(self, at_us: int) -> Awaitable[None] | None:
        due_us = self._begun_us + at_us
        return self._clock.sleep_until(due_us) if due_us > self._clock.now_us() else None
