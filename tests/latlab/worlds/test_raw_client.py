"""The raw client against a server of a few lines: which connection it takes, and what it makes of what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from profiles_for_tests import make_profile

from latlab.client import Call, Exchange
from latlab.conversation import Chat
from latlab.worlds.raw_client import Address, AnsweredError, RawClient
from latlab.worlds.raw_http import CutShortError
from mockllm.clock.instants import RealClock
from mockllm.clock.paced_loop import PacedLoop
from mockllm.core.identity import CALL_HEADER
from mockllm.core.reply import Script, Text
from mockllm.core.request import TokenCounter
from mockllm.core.usage import Usage

COUNTER = TokenCounter(make_profile().tokens)
USAGE = {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 5}
WHOLE = {
    "id": "m", "model": "x", "type": "message", "content": [{"type": "text", "text": "Yes"}],
    "stop_reason": "end_turn", "usage": USAGE,
}  # fmt: skip
EVENTS = (
    {"type": "message_start", "message": {**WHOLE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE},
    {"type": "message_stop"},
)


def as_body(body: Any, status: str = "200 OK", more: str = "") -> bytes:
    content = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\n{more}\r\n".encode() + content


def as_stream(*events: Any) -> bytes:
    chunks = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    body = b"".join([f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks])
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@dataclass
class FakeServer:
    """Answers each request with the next of `answers`, the last one for ever; an empty one closes the connection."""

    answers: list[bytes]
    connections: int = 0
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    closes_idle_ones: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                self.requests.append((head[0], headers, body))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(answer)
                if not answer or self.closes_idle_ones:
                    return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def call(path: str = "main/turn-0", **changes: Any) -> Call:
    chat = Chat("main", "Be brief", ())
    chat.user("Hello")
    return Call(path, chat, 1, 100, Script(5))._replace(**changes)


def talking(server: FakeServer, talk: Callable[[RawClient], Awaitable[Any]], speed: float = 1.0) -> Any:
    """What `talk` returns with a client of `server`."""

    async def leave(path: str, script: Script) -> None: ...

    async def main() -> Any:
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            clock = RealClock(asyncio.get_running_loop())
            client = RawClient(Address("127.0.0.1", port, "/_run/mine"), "test-model", clock, COUNTER, leave, 5.0)
            try:
                return await talk(client)
            finally:
                client.close()

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed)) as runner:
        return runner.run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_sent_as_the_api_takes_it_and_its_answer_is_read(stream: bool) -> None:
    server = FakeServer([as_stream(*EVENTS) if stream else as_body(WHOLE)])
    exchange: Exchange = talking(server, lambda client: client.send(call(stream=stream)))
    assert exchange.reply.parts == (Text("Yes"),)
    assert (exchange.reply.stop_reason, exchange.usage) == ("end_turn", Usage(1, 2, 0, 0, 5))
    assert exchange.opened
    assert exchange.start_us <= exchange.start_us + exchange.connect_us <= exchange.headers_us <= exchange.first_us
    assert exchange.first_us == exchange.end_us or stream
    ((line, headers, body),) = server.requests
    assert line == "POST /_run/mine/v1/messages HTTP/1.1"
    assert headers[CALL_HEADER] == "main/turn-0"
    assert "connection" not in headers
    assert body.get("stream", False) is stream
    assert (body["system"], body["model"], body["max_tokens"]) == ("Be brief", "test-model", 100)


def test_a_connection_is_used_again_until_it_was_idle_for_too_long() -> None:
    async def talk(client: RawClient) -> list[bool]:
        opened = []
        for pause_s in (0, 0, 6):
            await asyncio.sleep(pause_s)
            opened.append((await client.send(call())).opened)
        return opened

    server = FakeServer([as_body(WHOLE)])
    assert talking(server, talk, speed=20.0) == [True, False, True]
    assert server.connections == 2


def test_calls_at_once_have_connections_of_their_own() -> None:
    async def talk(client: RawClient) -> list[Exchange]:
        return list(await asyncio.gather(*[client.send(call(f"main/turn-{n}")) for n in range(3)]))

    server = FakeServer([as_body(WHOLE)])
    assert [exchange.opened for exchange in talking(server, talk)] == [True] * 3
    assert server.connections == 3


@pytest.mark.parametrize("asked", [True, False])
def test_a_connection_that_is_closed_after_its_answer_is_opened_anew(asked: bool) -> None:
    async def talk(client: RawClient) -> list[bool]:
        one = call(reuse_connection=not asked)
        first = (await client.send(one)).opened
        if not asked:
            await asyncio.sleep(0)
        return [first, (await client.send(one)).opened]

    more = "" if asked else "connection: close\r\n"
    server = FakeServer([as_body(WHOLE, more=more)], closes_idle_ones=not asked)
    assert talking(server, talk) == [True, True]
    assert [headers.get("connection") for _, headers, _ in server.requests] == ["close" if asked else None] * 2


REFUSED = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too many"}}
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_one_line_and_leaves_its_connection(stream: bool) -> None:
    async def talk(client: RawClient) -> bool:
        with pytest.raises(AnsweredError, match=r"^main/turn-0: 400 invalid_request_error: max_tokens: too many$"):
            await client.send(call(stream=stream))
        return (await client.send(call())).opened

    server = FakeServer([as_body(REFUSED, "400 Bad Request"), as_body(WHOLE)])
    assert talking(server, talk) is False
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (as_stream(*EVENTS[:3], BUSY), "main/turn-0: 200 overloaded_error: Busy"),
        (as_stream(*EVENTS[:3]), "main/turn-0: 200: the answer ended before its message did"),
        (as_body("no object"), "main/turn-0: 200: the answer ended before its message did"),
    ],
    ids=["error event", "no end", "nonsense"],
)
def test_an_answer_that_fails_on_its_way_is_one_line(answer: bytes, said: str) -> None:
    async def talk(client: RawClient) -> str:
        with pytest.raises(AnsweredError) as error:
            await client.send(call(stream=answer.startswith(b"HTTP/1.1 200 OK\r\ntransfer")))
        return str(error.value)

    assert talking(FakeServer([answer]), talk) == said


def test_a_call_that_is_cut_or_given_up_costs_its_connection() -> None:
    async def talk(client: RawClient) -> list[bool]:
        with pytest.raises(CutShortError):
            await client.send(call())
        opened = [(await client.send(call())).opened]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await client.send(call())
        return [*opened, (await client.send(call())).opened]

    assert talking(FakeServer([b"", as_body(WHOLE)]), talk) == [True, True]
