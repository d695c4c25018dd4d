"""The load client: requests encoded beforehand, sent on raw sockets of asyncio, answers read by `HttpAnswer`.

`python -m bench.server.load PLAN` reads a `Plan` as JSON, carries it out, and prints what came of it as one line of
JSON. It is a process of its own, and says what share of its core it used: near 1, it is the client that was measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.server.http_answer import HttpAnswer

__all__ = ["NUMBER", "Plan", "Took", "exchange_all"]

NUMBER = "NUMBER"
_DIGITS = 9
_DELTA = b"event: content_block_delta\n"


class Plan(NamedTuple):
    """`exchanges` POSTs of `body` to `url`, over `connections` that are kept alive.

    In each the word `NUMBER` in the body is replaced by a number of its own. `detail` asks for every answer's moments,
    and `keep` for the body of one, chunk by chunk.
    """

    url: str
    path: str
    headers: dict[str, str]
    body: str
    connections: int
    exchanges: int
    detail: bool = False
    keep: bool = False


class Took(NamedTuple):
    """What an exchange took: seconds to its first byte, and those at which each of its tokens was there."""

    first_s: float
    tokens_s: list[float]


class _Connection(asyncio.Protocol):
    """One connection, which sends its next request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes], plan: Plan, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._plan = plan
        self.done = done
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer = HttpAnswer()
        self._sent_s = self._first_s = 0.0
        self.whole: list[tuple[float, float, HttpAnswer]] = []
        self.answers = self.events = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            return
        assert self._transport is not None
        self._answer, self._first_s = HttpAnswer(), 0.0
        self._sent_s = self._loop.time()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        now_s = self._loop.time()
        if not self._first_s:
            self._first_s = now_s
        try:
            if self._answer.feed(data, now_s):
                self._count(self._answer)
                self.send()
        except Exception as error:  # whatever it is, the other side waits for it
            self.done.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def took(self) -> list[Took]:
        """What each exchange took; asked for when all is over, so that the reckoning disturbs nobody."""
        return [
            Took(first_s - sent_s, [at_s - sent_s for at_s, data in answer.parts for _ in range(data.count(_DELTA))])
            for sent_s, first_s, answer in self.whole
        ]

    def kept(self) -> list[str]:
        """The body of the first answer, chunk by chunk."""
        return [data.decode() for _, data in self.whole[0][2].parts] if self.whole else []

    def _count(self, answer: HttpAnswer) -> None:
        self.answers += 1
        if self._plan.detail:
            self.whole.append((self._sent_s, self._first_s, answer))
        else:
            self.events += sum([data.count(b"\n\n") for _, data in answer.parts])


def _encoded(plan: Plan) -> Iterator[bytes]:
    """The requests, which differ by their number alone, so that all but that is encoded before anything is sent."""
    before, mark, after = plan.body.encode().partition(NUMBER.encode())
    digits = _DIGITS if mark else 0
    length = len(before) + digits + len(after)
    head = {"host": urlsplit(plan.url).netloc, "content-type": "application/json", **plan.headers}
    lines = [f"POST {plan.path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    before = "\r\n".join([*lines, f"content-length: {length}", "", ""]).encode() + before
    numbers = (b"%0*d" % (digits, number) if mark else b"" for number in range(plan.exchanges))
    return (before + number + after for number in numbers)


async def exchange_all(plan: Plan) -> dict[str, object]:
    """Carry out `plan`; raises what the first failing exchange raised."""
    loop = asyncio.get_running_loop()
    address = urlsplit(plan.url)
    requests = _encoded(plan)
    held: list[_Connection] = []
    for _ in range(plan.connections):
        connection = _Connection(requests, plan, loop.create_future())
        await loop.create_connection(partial(_same, connection), address.hostname or "", address.port or 80)
        held.append(connection)
    began_s, used_s = time.perf_counter(), time.process_time()
    for connection in held:
        connection.send()
    await asyncio.gather(*[connection.done for connection in held])
    taken_s, used_s = time.perf_counter() - began_s, time.process_time() - used_s
    for connection in held:
        connection.close()
    return {
        "answers": sum(connection.answers for connection in held),
        "events": sum(connection.events for connection in held),
        "taken_s": taken_s,
        "client_share": used_s / taken_s,
        "took": [took for connection in held for took in connection.took()],
        "kept": held[0].kept() if plan.keep else [],
    }


def _same(connection: _Connection) -> _Connection:
    return connection


if __name__ == "__main__":
    print(json.dumps(asyncio.run(exchange_all(Plan(**json.loads(sys.argv[1]))))))
