from __future__ import annotations

import asyncio
import random
import time
from importlib import import_module
from typing import Any

import anyio.to_thread
import httpcore
import httpcore2
import pytest

from mockllm.clock.client_stack import client_stack_in
from mockllm.clock.warp_loop import WarpLoop

LIBRARIES = [
    ("httpcore._async.http11", lambda module: module.time.monotonic()),
    ("httpcore2._async.http11", lambda module: module.time.monotonic()),
    ("aiohttp.connector", lambda module: module.monotonic()),
]


@pytest.mark.parametrize(("name", "read"), LIBRARIES)
def test_an_http_library_reads_the_loops_clock_and_then_its_own_again(name: str, read: Any) -> None:
    module = import_module(name)
    loop = WarpLoop()

    async def later() -> float:
        await asyncio.sleep(7)
        return float(read(module))

    with client_stack_in(loop, 0.5), asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(later()) == 7.0
    before = time.monotonic()
    assert before <= read(module) <= time.monotonic()


@pytest.mark.parametrize("library", [httpcore, httpcore2])
def test_an_idle_connection_expires_in_virtual_time(library: Any) -> None:
    loop = WarpLoop()

    async def idle() -> list[bool]:
        here: Any = library.AsyncMockStream([b"HTTP/1.1 200 OK\r\n", b"content-length: 0\r\n", b"\r\n"])
        origin = library.Origin(b"http", b"localhost", 80)
        seen = []
        async with library.AsyncHTTP11Connection(origin=origin, stream=here, keepalive_expiry=5.0) as connection:
            await connection.request("GET", "http://localhost/")
            for _ in range(2):
                await asyncio.sleep(4)
                seen.append(bool(connection.has_expired()))
        return seen

    with client_stack_in(loop, 0.5), asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(idle()) == [False, True]


def test_random_gives_a_stream_that_begins_with_the_luck_and_then_goes_on_as_before() -> None:
    drawn = []
    random.seed(5)
    for luck in (0.25, 0.25, 0.75):
        loop = WarpLoop()
        with client_stack_in(loop, luck):
            drawn.append(random.random())
        loop.close()
    assert drawn[0] == drawn[1] != drawn[2]
    assert random.random() == random.Random(5).random()


def test_no_time_passes_while_a_thread_of_anyio_works() -> None:
    loop = WarpLoop()

    async def work() -> float:
        async with anyio.create_task_group() as group:
            group.start_soon(asyncio.sleep, 60)
            await anyio.to_thread.run_sync(time.sleep, 0.02)
            return loop.time()

    with client_stack_in(loop, 0.5), asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(work()) == 0.0
