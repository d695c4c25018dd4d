"""The client port with nothing between the socket and the stamp: what the wire world measures with.

The SDK's parser takes milliseconds of its own; here bytes are stamped as they arrive, and read afterwards. Which
connection a call takes, and when an idle one expires, is decided by the same model of the SDK's pool as in sim.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from latlab import LatlabError
from latlab.client import Call, Exchange
from latlab.worlds.messages import StreamedAnswer, body_of, reply_of
from latlab.worlds.observer import AnswerObserver
from latlab.worlds.raw_http import RawConnection, Response, request_bytes
from mockllm.core.clock import Clock
from mockllm.core.connections import ConnectionPool, PooledConnection
from mockllm.core.identity import CALL_HEADER
from mockllm.core.reply import Script
from mockllm.core.request import TokenCounter

__all__ = ["Address", "AnsweredError", "RawClient", "connect"]

_OK = 200
_HEADERS = {
    "authorization": "Bearer mock",
    "anthropic-version": "2026-10-21",
    "content-type": "application/json",
    "accept": "application/json",
}


class AnsweredError(LatlabError):
    """The API answered a call with an error."""


class Address:
    """Where a run of the mock's is reached: host, port, and the path that all of its own begin with."""

    __slots__ = ("host", "port", "prefix")

    def __init__(self, host: str, port: int, prefix: str = "") -> None:
        self.host = host
        self.port = port
        self.prefix = prefix

    @property
    def url(self) -> str:
        """The base URL, as an SDK takes it."""
        return f"http://{self.host}:{self.port}{self.prefix}"


async def connect(address: Address, clock: Clock) -> RawConnection:
    """A new connection to `address`, on this machine; raises `OSError` where nobody listens.

    There is no time-out: the set-up that a client would give up is paid at the server, and where time is hurried the
    machine is not.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: RawConnection(clock), address.host, address.port)
    return connection


class RawClient:
    """Sends calls to the run at `address`; `leave_script` tells the mock, ahead of a call, what to answer."""

    def __init__(
        self,
        address: Address,
        model: str,
        clock: Clock,
        counter: TokenCounter,
        leave_script: Callable[[str, Script], Awaitable[None]],
        idle_expiry_s: float,
    ) -> None:
        self._address = address
        self._model = model
        self._clock = clock
        self._counter = counter
        self._leave_script = leave_script
        self._pool = ConnectionPool(idle_expiry_s)
        self._connections: dict[PooledConnection, RawConnection] = {}

    async def send(self, call: Call) -> Exchange:
        await self._leave_script(call.path, call.script)
        request = self._request(call)  # the filler is written out here, which is no part of the call
        start_us = self._clock.now_us()
        place, opened = self._take(start_us)
        reusable = False
        try:
            if opened:
                self._connections[place] = await connect(self._address, self._clock)
            connect_us = self._clock.now_us() - start_us if opened else 0
            answer = _Answer(call)
            response = await self._connections[place].exchange(request, answer.take)
            reusable = call.reuse_connection and self._connections[place].is_open  # a refusal, too, was read to its end
        finally:
            self._pool.release(place, self._clock.now_us(), reusable=reusable)
            self._close_what_was_dropped()
        return answer.exchange(response, start_us, connect_us, opened=opened)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _take(self, now_us: int) -> tuple[PooledConnection, bool]:
        """The connection that the SDK's pool would use; one that the server has closed meanwhile is none."""
        while True:
            place, opened = self._pool.take(now_us)
            self._close_what_was_dropped()
            if opened or self._connections[place].is_open:
                return place, opened
            self._pool.release(place, now_us, reusable=False)

    def _close_what_was_dropped(self) -> None:
        kept = set(self._pool.connections)
        for place in [place for place in self._connections if place not in kept]:
            self._connections.pop(place).close()

    def _request(self, call: Call) -> bytes:
        body = body_of(call, self._model, self._counter) | ({"stream": True} if call.stream else {})
        headers = _HEADERS | {CALL_HEADER: call.path}
        if not call.reuse_connection:
            headers["connection"] = "close"
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        address = self._address
        host = f"{address.host}:{address.port}"
        return request_bytes("POST", f"{address.prefix}/v1/messages", host, headers, content)


class _Answer:
    """The body of one answer while it arrives."""

    __slots__ = ("_body", "_call", "_streamed")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._body: list[bytes] = []
        self._streamed = StreamedAnswer()

    def take(self, data: bytes, at_us: int) -> None:
        """Read what arrived at `at_us`."""
        self._body.append(data)
        if self._call.stream:
            self._streamed.feed(data, at_us)

    def exchange(self, response: Response, start_us: int, connect_us: int, *, opened: bool) -> Exchange:
        """What came of the call, now that its answer is whole. Raises `AnsweredError` for an error."""
        observer, message = self._streamed.observer, self._streamed.message()
        if not self._call.stream or response.status != _OK:
            body = b"".join(self._body)
            message = _json(body)
            observer = AnswerObserver(streamed=False)
            observer.feed(body, response.end_us)
        if response.status != _OK or message is None or self._streamed.error is not None:
            raise AnsweredError(f"{self._call.path}: {_what_went_wrong(response, message, self._streamed)}")
        observer.finish(response.end_us)
        first_us = observer.first_us
        assert first_us is not None
        reply, end_us = reply_of(message), response.end_us
        return Exchange(reply, observer.usage, start_us, connect_us, opened, response.headers_us, first_us, end_us)


def _json(body: bytes) -> dict[str, Any] | None:
    with suppress(ValueError):
        found = json.loads(body)
        if isinstance(found, dict):
            return found
    return None


def _what_went_wrong(response: Response, message: dict[str, Any] | None, streamed: StreamedAnswer) -> str:
    error = streamed.error or (message or {}).get("error")
    if error is not None:
        return f"{response.status} {error.get('type')}: {error.get('message')}"
    return f"{response.status}: the answer ended before its message did"
