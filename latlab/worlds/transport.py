"""Between the SDK and its socket: order of entry into the pool, the cost of a new connection, the wire's own stamps.

The set-up of a connection is paid here, where the client opens it, through the HTTP library's public trace hook; the
requests of one instant enter the pool in the order of their names, as they do in the sim world.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpx2

from mockllm.core.clock import Clock
from mockllm.core.connections import SetupCost
from mockllm.core.draws import Draws
from mockllm.core.identity import CALL_HEADER, Identity

__all__ = ["WIRE", "NamingTransport", "Wire"]


@dataclass(slots=True)
class Wire:
    """What the transport saw of one HTTP exchange, in microseconds of the run's clock.

    Where time is real, `first_us` and `end_us` are when the first visible byte and the last of a stream came, and
    `handed_us` when the SDK handed over what the first held; in virtual time they are one instant, and left out.
    """

    connect_us: int = 0
    opened: bool = False
    headers_us: int = 0
    first_us: int | None = None
    end_us: int | None = None
    handed_us: int | None = None


WIRE: ContextVar[Wire] = ContextVar("latlab_wire")
"""Where the transport leaves its stamps for whoever sent the request in this task."""


class NamingTransport(httpx2.AsyncBaseTransport):
    """Sends through `inner`, once everyone with a smaller name at this instant has entered the pool."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, clock: Clock, draws: Draws, setup: SetupCost) -> None:
        self._inner = inner
        self._clock = clock
        self._draws = draws
        self._setup = setup

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        wire = WIRE.get(None) or Wire()
        identity = Identity(request.headers.get(CALL_HEADER) or f"{request.method} {request.url.path}")
        await self._clock.settle((identity.path, identity.attempt))
        request.extensions = {**request.extensions, "trace": self._tracer(identity, wire)}
        response = await self._inner.handle_async_request(request)
        wire.headers_us = self._clock.now_us()
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _tracer(self, identity: Identity, wire: Wire) -> Callable[[str, dict[str, Any]], Any]:
        began_us = 0

        async def trace(event: str, info: dict[str, Any]) -> None:
            nonlocal began_us
            if event == "connection.connect_unix_socket.started":
                began_us = self._clock.now_us()
                cost_us = self._setup.draw_us(self._draws, identity)
                patience_s = info.get("timeout")
                if patience_s is not None and cost_us > patience_s * 1e6:
                    await self._clock.sleep_until(began_us + round(patience_s * 1e6))
                    raise httpx2.ConnectTimeout(f"no connection within {patience_s} s")
                await self._clock.sleep_until(began_us + cost_us)
            elif event == "connection.connect_unix_socket.complete":
                wire.opened = True
                wire.connect_us += self._clock.now_us() - began_us

        return trace
