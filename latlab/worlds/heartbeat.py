"""A self-check of the client: how late its loop wakes, and how much of the time its process computes.

A client that is busy stamps late what came in time. Then its figures are its own, and not the server's.
"""

from __future__ import annotations

import asyncio
import os
from statistics import median

from latlab.worlds.served import ClientLoad

__all__ = ["Heartbeat"]

_BEAT_S = 0.005


class Heartbeat:
    """Beats two hundred times in a real second on the running loop, whose time is `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._speed = speed
        self._late_s: list[float] = []
        self._began_s = self._due_s = self._loop.time()
        self._cpu_s = _cpu_s()
        self._timer = self._loop.call_soon(self._beat)

    def stop(self) -> ClientLoad:
        """What it came to since it began."""
        self._timer.cancel()
        real_s = (self._loop.time() - self._began_s) / self._speed
        late_us = [round(late_s * 1e6) for late_s in self._late_s] or [0]
        share = (_cpu_s() - self._cpu_s) / real_s if real_s > 0 else 0.0
        return ClientLoad(round(median(late_us)), max(late_us), share)

    def _beat(self) -> None:
        now_s = self._loop.time()
        self._late_s.append((now_s - self._due_s) / self._speed)
        self._due_s = now_s + _BEAT_S * self._speed
        self._timer = self._loop.call_at(self._due_s, self._beat)


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system
