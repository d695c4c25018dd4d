"""The cost of a connection where the server alone must pay it: its first answer waits for TCP and TLS."""

from __future__ import annotations

import asyncio
from weakref import WeakSet

from aiohttp import web

from mockllm.core.identity import Identity
from mockllm.emulator.admission import Emulator

__all__ = ["SetUp"]


class SetUp:
    """Which connections have been set up; the first request on a new one waits for that."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: WeakSet[asyncio.Transport] = WeakSet()

    def due_us(self, http: web.Request, emulator: Emulator, identity: Identity, arrived_us: int) -> int | None:
        """When the set-up that the profile draws for `identity` is over, for a request that arrived at `arrived_us`;
        None where its connection is no new one."""
        transport = http.transport
        if transport is None or transport in self._seen:
            return None
        self._seen.add(transport)
        return arrived_us + emulator.service.setup.draw_us(emulator.draws, identity)
