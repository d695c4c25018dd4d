"""When a request reached the server, which is before anybody had the time to look at it.

Where many come at once, the last one's handler begins long after its bytes were read. A plan that counted from there
would add the server's own work to what it emulates, so the moment is taken as the loop hands the bytes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from aiohttp import web

from mockllm.core.clock import Clock

__all__ = ["Arrivals"]

_Heard: TypeAlias = dict[asyncio.BaseTransport, float]


class Arrivals:
    """The loop's time at which each open connection last heard from its client."""

    __slots__ = ("_heard_s",)

    def __init__(self) -> None:
        self._heard_s: _Heard = {}

    def of(self, http: web.Request, clock: Clock) -> int:
        """The microsecond of `clock` at which the latest bytes of the connection of `http` came."""
        transport = http.transport
        heard_s = self._heard_s.get(transport) if transport is not None else None
        return clock.now_us() if heard_s is None else clock.us_at(heard_s)

    def watching(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """A factory of the same protocols, each of which is listened in on."""
        return lambda: _Watched(factory(), self._heard_s)


class _Watched(asyncio.Protocol):
    """Hands everything on to `inner`, and notes when it heard something."""

    __slots__ = ("_heard_s", "_inner", "_time", "_transport")

    def __init__(self, inner: asyncio.Protocol, heard_s: _Heard) -> None:
        self._inner = inner
        self._heard_s = heard_s
        self._time = asyncio.get_running_loop().time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._heard_s[self._transport] = self._time()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard_s.pop(self._transport, None)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
