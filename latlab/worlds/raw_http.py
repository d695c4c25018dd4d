"""HTTP/1.1 over an asyncio transport, read with as little as possible between the socket and the stamp.

A stamp is the first thing that is done with bytes that arrived; only then are they looked at. This is the part of HTTP
that the mock speaks: bodies of a declared length, and chunked ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias

from latlab import LatlabError
from mockllm.core.clock import Clock

__all__ = ["CutShortError", "OnBody", "RawConnection", "Response", "SilenceError", "request_bytes"]

OnBody: TypeAlias = Callable[[bytes, int], None]
"""Told of each piece of a body, and of the microsecond at which it arrived."""
_PATIENCE_S = 600.0  # the SDK's own (protocol: client behaviour)


class CutShortError(LatlabError):
    """The server closed a connection in the middle of an answer."""


class SilenceError(LatlabError):
    """Nothing came for as long as the SDK waits for something."""


class Response:
    """One answer while it arrives: status and headers, when the first and last byte came, and whether it is whole."""

    __slots__ = ("_left", "_on_body", "_rest", "end_us", "headers", "headers_us", "is_whole", "status")

    def __init__(self, on_body: OnBody) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.headers_us = 0
        self.end_us = 0
        self.is_whole = False
        self._on_body = on_body
        self._rest = b""
        self._left: int | None = None  # bytes of a body of declared length; -1 where it is chunked

    def feed(self, data: bytes, at_us: int) -> None:
        """Take the bytes that arrived at `at_us`."""
        self._rest += data
        if self._left is None and not self._read_head(at_us):
            return
        if self._left == -1:
            self._read_chunks(at_us)
        else:
            self._read_length(at_us)
        if self.is_whole:
            self.end_us = at_us

    def _read_head(self, at_us: int) -> bool:
        if not self.status and not self.headers_us:
            self.headers_us = at_us
        head, gap, rest = self._rest.partition(b"\r\n\r\n")
        if not gap:
            return False
        status, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(status.split(" ", 2)[1])
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = -1 if chunked else int(self.headers.get("content-length", "0"))
        self._rest = rest
        return True

    def _read_length(self, at_us: int) -> None:
        assert self._left is not None
        if self._rest:
            self._on_body(self._rest, at_us)
            self._left -= len(self._rest)
            self._rest = b""
        self.is_whole = self._left <= 0

    def _read_chunks(self, at_us: int) -> None:
        while True:
            size, gap, rest = self._rest.partition(b"\r\n")
            length = int(size.partition(b";")[0], 16) if gap else 0
            if not gap or len(rest) < length + 2:
                return
            self._rest = rest[length + 2 :]
            if not length:
                self.is_whole = True
                return
            self._on_body(rest[:length], at_us)


class RawConnection(asyncio.Protocol):
    """One connection, on which one exchange at a time takes place."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self._done: asyncio.Future[None] | None = None
        self._heard_s = 0.0
        self._patience: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether the next exchange can take place here; a server may have closed it while it was idle."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # nothing is left to be said, and nobody waits for it

    async def exchange(self, request: bytes, on_body: OnBody) -> Response:
        """Send `request` and return its answer when that is whole.

        Raises `CutShortError` where it never will be, and `SilenceError` where nothing came for ten minutes.
        """
        assert self._transport is not None
        response = self._response = Response(on_body)
        done = self._done = self._loop.create_future()
        self._heard_s = self._loop.time()
        self._patience = self._loop.call_later(_PATIENCE_S, self._look_whether_it_speaks)
        self._transport.write(request)
        try:
            await done
        finally:
            self._patience.cancel()
            self._response = self._done = None
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        return response

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at_us = self._clock.now_us()
        self._heard_s = self._loop.time()
        response, done = self._response, self._done
        if response is None or done is None or done.done():
            return
        try:
            response.feed(data, at_us)
        except Exception as error:  # what the answer's reader makes of it is for whoever asked
            done.set_exception(error)
            return
        if response.is_whole:
            done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._done is not None and not self._done.done():
            said = "in the middle of its answer" if self._response and self._response.status else "without an answer"
            self._done.set_exception(CutShortError(f"the server closed the connection {said}"))

    def _look_whether_it_speaks(self) -> None:
        done = self._done
        if done is None or done.done():
            return
        silent_s = self._loop.time() - self._heard_s
        if silent_s >= _PATIENCE_S:
            done.set_exception(SilenceError(f"request timed out: nothing came in {_PATIENCE_S:.0f} s"))
        else:
            self._patience = self._loop.call_later(_PATIENCE_S - silent_s, self._look_whether_it_speaks)


def request_bytes(method: str, path: str, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
