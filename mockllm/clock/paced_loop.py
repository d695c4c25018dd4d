"""A real asyncio loop on which time passes so many times as fast: sleeps, time-outs and idle expiries with it.

Whatever waits on this loop takes as much less, the caller's own `asyncio.sleep` too, so a coroutine that was written
for real time is hurried as a whole. Its timers are never a millisecond late for the kernel's convenience: epoll counts
in whole milliseconds, rounded up, and Linux lets every wait go on for a thousandth of its length (for a two-hundredth
where the process is a nice one), so long waits end early here and the last of them is a `select`.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import time

__all__ = ["PacedLoop"]

_FINE_S = 1e-3
"""The step of epoll's waits."""
_SLACK = 1 / 100
"""More than the share of a wait by which the kernel prolongs it."""


class PacedLoop(asyncio.SelectorEventLoop):
    """Time from 0, `speed` times as fast as the machine's; the kernel's part in it stays as slow as it is."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began_s = time.monotonic()
        super().__init__(_PacedSelector(speed))

    def time(self) -> float:
        return (time.monotonic() - self._began_s) * self._speed


class _PacedSelector(selectors.DefaultSelector):
    """Waits for a `speed`th of the time that the loop asks for, to the microsecond."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        real_s = timeout / self._speed
        if real_s > 2 * _FINE_S:
            early_s = max(_FINE_S, real_s * _SLACK)
            return super().select(real_s - early_s)  # the loop looks at its timers, and asks for what is left
        if self.fileno() < 1024:  # what `select` can hold; no more is lost beyond than a millisecond
            select.select([self.fileno()], [], [], real_s)
            return super().select(0)
        return super().select(real_s)
