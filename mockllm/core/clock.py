"""What the emulator asks of time, whoever keeps it: a virtual loop, or a real one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeAlias, runtime_checkable

__all__ = ["Clock", "Key"]

Key: TypeAlias = tuple[str, int]
"""Orders those who wait at one instant: a call path and an attempt."""


@runtime_checkable
class Clock(Protocol):
    """Whole microseconds since the run began.

    `settle` is the tie rule: whoever awaits it resumes when nothing else can happen at this instant, and those who wait
    at one instant resume in the order of their keys, never of their arrival. Without `ties`, as in real time, there is
    no such order to keep, and nobody waits.
    """

    @property
    def ties(self) -> bool: ...

    def now_us(self) -> int: ...

    def us_at(self, loop_s: float) -> int:
        """The microsecond at which the loop's own time was `loop_s`."""
        ...

    def sleep_until(self, at_us: int) -> Awaitable[None]:
        """Done at the absolute deadline `at_us`, at once where it has passed."""
        ...

    def settle(self, key: Key) -> Awaitable[None]: ...
