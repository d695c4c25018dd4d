"""Reading HTTP by hand: any split of the bytes gives the same answer, and one that is cut short is never whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latlab.worlds.raw_client import Address, connect
from latlab.worlds.raw_http import CutShortError, RawConnection, Response, SilenceError, request_bytes
from mockllm.clock.instants import RealClock
from mockllm.clock.paced_loop import PacedLoop

PIECES = st.lists(st.binary(min_size=1, max_size=30), max_size=5)


def chunked(pieces: list[bytes]) -> bytes:
    body = b"".join([f"{len(piece):x};note=1\r\n".encode() + piece + b"\r\n" for piece in pieces])
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Kind: a: b\r\n\r\n" + body + b"0\r\n\r\n"


def fed(message: bytes, cuts: list[int]) -> tuple[Response, list[tuple[bytes, int]]]:
    """The answer read from `message` in parts that end at `cuts`, each of which arrives a microsecond later."""
    seen: list[tuple[bytes, int]] = []
    response = Response(lambda data, at_us: seen.append((data, at_us)))
    ends = sorted({min(cut, len(message)) for cut in cuts} | {len(message)})
    for at_us, (begin, end) in enumerate(zip([0, *ends], ends, strict=False), start=1):
        assert not response.is_whole
        response.feed(message[begin:end], at_us)
    return response, seen


@given(pieces=PIECES, cuts=st.lists(st.integers(1, 300), max_size=8))
def test_a_chunked_body_is_read_alike_however_it_was_split(pieces: list[bytes], cuts: list[int]) -> None:
    message = chunked(pieces)
    response, seen = fed(message, cuts)
    assert response.is_whole
    assert [data for data, _ in seen] == pieces
    assert (response.status, response.headers["x-kind"]) == (200, "a: b")
    assert response.headers_us == 1
    ends = sorted({min(cut, len(message)) for cut in cuts} | {len(message)})
    assert response.end_us == len(ends)
    reached = len(message) - len(b"0\r\n\r\n") - sum(len(f"{len(p):x};note=1\r\n") + len(p) + 2 for p in pieces)
    for piece, at_us in seen:
        reached += len(f"{len(piece):x};note=1\r\n") + len(piece) + 2
        assert at_us == next(place for place, end in enumerate(ends, start=1) if end >= reached)


@given(body=st.binary(max_size=60), cuts=st.lists(st.integers(1, 200), max_size=8))
def test_a_body_of_a_declared_length_is_read_alike_however_it_was_split(body: bytes, cuts: list[int]) -> None:
    message = f"HTTP/1.1 404 Not Found\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    response, seen = fed(message, cuts)
    assert response.is_whole
    assert (response.status, b"".join([data for data, _ in seen])) == (404, body)


@given(pieces=PIECES, missing=st.integers(1, 40))
def test_an_answer_that_is_cut_is_not_whole(pieces: list[bytes], missing: int) -> None:
    message = chunked(pieces)
    response = Response(lambda *_: None)
    response.feed(message[: max(0, len(message) - missing)], 1)
    assert not response.is_whole


def test_a_request_says_how_long_it_is() -> None:
    asked = request_bytes("POST", "/x", "127.0.0.1:9", {"a": "b"}, "ü".encode())
    assert asked == b"POST /x HTTP/1.1\r\nhost: 127.0.0.1:9\r\ncontent-length: 2\r\na: b\r\n\r\n\xc3\xbc"


def with_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    talk: Callable[[RawConnection], Awaitable[Any]],
    speed: float = 1.0,
) -> Any:
    """What `talk` returns over a connection to a server whose connections are handled by `serve`."""

    async def main() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            connection = await connect(Address("127.0.0.1", port), RealClock(asyncio.get_running_loop()))
            try:
                return await talk(connection)
            finally:
                connection.close()

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed)) as runner:
        return runner.run(main())


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "closed the connection in the middle of its answer"),
    ],
    ids=["nothing", "half"],
)
def test_a_connection_that_is_closed_too_early_is_one_line(said: bytes, error: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async def talk(connection: RawConnection) -> bool:
        with pytest.raises(CutShortError, match=error):
            await connection.exchange(request_bytes("GET", "/", "h", {}, b""), lambda *_: None)
        return connection.is_open

    assert with_server(serve, talk) is False


def test_a_server_that_says_nothing_for_ten_minutes_is_given_up_and_one_that_goes_on_is_not() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        for _ in range(3):
            await asyncio.sleep(400)
            writer.write(b"x")
        try:
            await reader.read()
        finally:
            writer.close()

    async def talk(connection: RawConnection) -> tuple[list[bytes], float]:
        seen: list[bytes] = []
        with pytest.raises(SilenceError, match="nothing came in 600 s"):
            await connection.exchange(request_bytes("GET", "/", "h", {}, b""), lambda data, _: seen.append(data))
        return seen, asyncio.get_running_loop().time()

    seen, given_up_s = with_server(serve, talk, speed=5000.0)
    assert seen == [b"x"] * 3
    assert given_up_s >= 1800
