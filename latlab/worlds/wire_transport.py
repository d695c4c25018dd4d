"""Stamps under the SDK in real time: what arrived when, and beside it when the SDK handed it over.

The difference is the SDK's own time, of which virtual time knows nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2

from latlab.client import Call, Client, Exchange
from latlab.worlds.observer import AnswerObserver
from latlab.worlds.sdk_client import is_visible
from latlab.worlds.transport import WIRE, Wire
from mockllm.core.clock import Clock
from mockllm.core.identity import CALL_HEADER

__all__ = ["StampedClient", "WireTransport", "hand_overs_stamped"]

_EXTENSION = "latlab_wire"
_EVENT_STREAM = "text/event-stream"


class WireTransport(httpx2.AsyncBaseTransport):
    """Sends through `inner`, and stamps connection, headers, first visible byte and end as they come."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._wires: dict[str, Wire] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        wire = WIRE.get(None) or Wire()
        self._wires[request.headers.get(CALL_HEADER, "")] = wire
        request.extensions = {**request.extensions, "trace": self._tracer(wire)}
        response = await self._inner.handle_async_request(request)
        wire.headers_us = self._clock.now_us()
        response.extensions[_EXTENSION] = wire
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        is_stream = response.headers.get("content-type", "").startswith(_EVENT_STREAM)
        response.stream = _Stamped(response.stream, self._clock, wire, AnswerObserver(streamed=is_stream))
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def sdk_us(self, path: str) -> int | None:
        """By how much later than it came the SDK handed over what the call `path` showed first, None without one."""
        wire = self._wires.get(path)
        if wire is None or wire.first_us is None or wire.handed_us is None:
            return None
        return wire.handed_us - wire.first_us

    def _tracer(self, wire: Wire) -> Callable[[str, dict[str, Any]], Any]:
        began_us = 0

        async def trace(event: str, info: dict[str, Any]) -> None:
            nonlocal began_us
            if event == "connection.connect_tcp.started":
                began_us = self._clock.now_us()
            elif event == "connection.connect_tcp.complete":
                wire.opened = True
                wire.connect_us += self._clock.now_us() - began_us

        return trace


class _Stamped(httpx2.AsyncByteStream):
    """The answer's bytes, each stamped before anyone reads it."""

    def __init__(self, inner: httpx2.AsyncByteStream, clock: Clock, wire: Wire, observer: AnswerObserver) -> None:
        self._inner = inner
        self._clock = clock
        self._wire = wire
        self._observer = observer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        observer, wire = self._observer, self._wire
        async for chunk in self._inner:
            now_us = self._clock.now_us()
            if wire.first_us is None:
                observer.feed(chunk, now_us)
                wire.first_us = observer.first_us
            yield chunk
        wire.end_us = self._clock.now_us()

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def hand_overs_stamped(clock: Clock) -> Iterator[None]:
    """While this lasts, every stream of the SDK's notes when it hands over the first event of which a user sees any."""
    held: Any = anthropic.AsyncStream  # which has no public place for this
    real = held.__stream__

    async def told(stream: anthropic.AsyncStream[Any]) -> AsyncIterator[Any]:
        wire = stream.response.extensions.get(_EXTENSION)
        async for event in real(stream):
            if wire is not None and wire.handed_us is None and is_visible(event):
                wire.handed_us = clock.now_us()
            yield event

    held.__stream__ = told
    try:
        yield
    finally:
        held.__stream__ = real


class StampedClient:
    """A client on the SDK whose exchanges carry the stamps from under it."""

    def __init__(self, sdk_client: Client) -> None:
        self._sdk_client = sdk_client

    async def send(self, call: Call) -> Exchange:
        exchange = await self._sdk_client.send(call)
        wire = WIRE.get()
        end_us = exchange.end_us if wire.end_us is None else wire.end_us
        first_us = wire.first_us if call.stream and wire.first_us is not None else end_us
        return exchange._replace(first_us=first_us, end_us=end_us)
