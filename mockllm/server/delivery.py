"""Sending an answer: every byte at an absolute deadline of the run's clock, and last words when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from aiohttp import web

from mockllm.clock.instants import finish
from mockllm.core.clock import Clock
from mockllm.core.faults import Spoiled
from mockllm.emulator.pace import Pace
from mockllm.server.request_log import Entry

__all__ = ["Deliveries", "StoppingError", "WaitingHeaders", "send"]


class StoppingError(Exception):
    """The server stops, and what was waited for will not come."""


class WaitingHeaders(web.StreamResponse):
    """A response whose headers are made ready before their time, and go with the first bytes in one packet."""

    _send_headers_immediately = False  # as aiohttp has it for a response that is whole


class Deliveries:
    """The answers that wait for their next deadline, so that they can be told when the server stops."""

    __slots__ = ("_waiting", "stopping")

    def __init__(self) -> None:
        self.stopping = False
        self._waiting: set[asyncio.Future[None]] = set()

    async def until(self, due: Awaitable[None] | None) -> None:
        """Wait for `due`, if that is to come yet; raises `StoppingError` where the server stops before."""
        if due is not None:
            coming = asyncio.ensure_future(due)
            self._waiting.add(coming)
            try:
                await coming
            finally:
                self._waiting.discard(coming)
        if self.stopping:
            raise StoppingError

    def stop(self) -> None:
        """Wake everyone who waits; whoever comes later is turned away."""
        self.stopping = True
        for due in self._waiting:
            finish(due)


async def send(
    http: web.Request,
    response: web.StreamResponse,
    spoiled: Spoiled,
    pace: Pace,
    clock: Clock,
    deliveries: Deliveries,
    entry: Entry,
    last_words: bytes,
    headers_us: int | None = None,
) -> web.StreamResponse:
    """Send `spoiled` at its `pace` through `response`, whose headers go at `headers_us`, or with the first bytes.

    What was sent when goes into `entry`, where what comes before the first token does not count as the first.
    `last_words` end the answer where the server stops in its middle. A client that is gone ends it quietly.
    """
    planned_us = 0
    if entry.fault is None and entry.due_first_us is not None and entry.admitted_us is not None:
        planned_us = entry.due_first_us - entry.admitted_us
    try:
        try:
            if headers_us is not None:
                await deliveries.until(pace.reach(headers_us))
                await response.prepare(http)
            elif isinstance(response, WaitingHeaders):
                await response.prepare(http)  # sends nothing yet
            writes = iter(spoiled.writes)
            coming = next(writes, None)
            while coming is not None:
                at_us, data = coming
                due = pace.reach(at_us)
                coming = next(writes, None)  # made now, where there is time
                await deliveries.until(due)
                if entry.first_us is None and at_us >= planned_us:
                    entry.first_us = clock.now_us()
                if not response.prepared:
                    await response.prepare(http)
                if coming is None and not spoiled.cut:
                    await response.write_eof(data)  # one packet holds the last bytes and the end
                else:
                    await response.write(data)
        except StoppingError:
            entry.error = "the server stopped"
            if not response.prepared:
                await response.prepare(http)
            await response.write(last_words)
        entry.end_us = clock.now_us()
        if spoiled.cut and http.transport is not None:
            http.transport.close()
        else:
            await response.write_eof()
    except ConnectionResetError:
        entry.error = "the client went away"  # and nobody is left to tell
    return response
