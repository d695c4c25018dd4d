from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from mockllm.clock.routes import Routes, UnixSocket
from mockllm.clock.warp_loop import NoNetworkError, WarpLoop

T = TypeVar("T")
ADDRESS = ("127.0.0.1", 9)


def run(main: Callable[[WarpLoop], Awaitable[T]], tmp_path: Path) -> T:
    """What `main` returns on a loop that has an echo at `ADDRESS`, which takes a second for each line."""
    path = str(tmp_path / "echo")
    loop = WarpLoop({ADDRESS: path})

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while heard := await reader.readline():
            await asyncio.sleep(1)
            writer.write(heard)
        writer.close()

    async def whole() -> T:
        async with await asyncio.start_unix_server(echo, path):
            try:
                return await main(loop)
            finally:
                await asyncio.sleep(5)  # for the echo to see that it is alone, and to close

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(whole())


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"hello\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


def test_a_connection_to_a_routed_address_is_one_to_its_unix_socket(tmp_path: Path) -> None:
    async def main(loop: WarpLoop) -> tuple[bytes, float]:
        return await ask(*await asyncio.open_connection(*ADDRESS)), loop.time()

    assert run(main, tmp_path) == (b"hello\n", 1.0)


def test_a_socket_that_was_made_for_tcp_is_diverted_when_it_connects(tmp_path: Path) -> None:
    async def main(loop: WarpLoop) -> tuple[bytes, float]:
        # With its protocol said, asyncio would set TCP options on the socket when it becomes a transport.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setblocking(False)
        await loop.sock_connect(sock, ADDRESS)
        return await ask(*await asyncio.open_connection(sock=sock)), loop.time()

    assert run(main, tmp_path) == (b"hello\n", 1.0)


def test_a_diverted_socket_also_serves_whoever_uses_it_as_it_is(tmp_path: Path) -> None:
    async def main(loop: WarpLoop) -> bytes:
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ADDRESS)
            await loop.sock_sendall(sock, b"hello\n")
            return await loop.sock_recv(sock, 100)

    assert run(main, tmp_path) == b"hello\n"


def test_what_is_asked_of_tcp_is_let_go_and_of_the_socket_is_done() -> None:
    with UnixSocket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("address", [("127.0.0.1", 10), ("127.0.0.2", 9), ("localhost", 9), ("192.0.2.1", 9)])
def test_every_other_address_is_refused_and_the_mocks_is_named(tmp_path: Path, address: tuple[str, int]) -> None:
    async def main(_: WarpLoop) -> None:
        await asyncio.open_connection(*address)

    with pytest.raises(NoNetworkError, match=r"give your client the base URL of the mock, http://127\.0\.0\.1:9$"):
        run(main, tmp_path)


def test_a_route_to_nobody_is_an_error_of_the_connection(tmp_path: Path) -> None:
    loop = WarpLoop({ADDRESS: str(tmp_path / "nobody")})
    with asyncio.Runner(loop_factory=lambda: loop) as runner, pytest.raises(FileNotFoundError):
        runner.run(asyncio.open_connection(*ADDRESS))


def test_hanging_up_drops_the_connections_that_a_client_left_open(tmp_path: Path) -> None:
    async def main(loop: WarpLoop) -> tuple[bytes, bool]:
        reader, writer = await asyncio.open_connection(*ADDRESS)
        loop.hang_up()
        return await reader.readline(), writer.is_closing()

    assert run(main, tmp_path) == (b"", True)


def test_a_socket_that_was_not_diverted_stays_as_it_is() -> None:
    with socket.socket() as sock:
        routes = Routes({ADDRESS: "path"})
        assert routes.claim(sock) is sock
        assert (routes.path(*ADDRESS), routes.path(None, None), list(routes)) == ("path", None, [ADDRESS])
