from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from mockllm.clock.paced_loop import PacedLoop

SPEEDS = [0.5, 1.0, 1000.0]


def run(work: Callable[[], Awaitable[Any]], speed: float) -> Any:
    async def main() -> Any:
        return await work()

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed)) as runner:
        return runner.run(main())


@pytest.mark.parametrize("speed", SPEEDS)
def test_time_begins_at_0_and_no_sleep_is_shorter_than_was_asked_for(speed: float) -> None:
    async def work() -> list[float]:
        loop = asyncio.get_running_loop()
        at = [loop.time()]
        for length_s in (0.0005, 0.004, 0.02):
            await asyncio.sleep(length_s * speed)
            at.append(loop.time())
        return at

    at = run(work, speed)
    assert at[0] >= 0
    for (before, after), length_s in zip(pairwise(at), (0.0005, 0.004, 0.02), strict=True):
        assert after - before >= length_s * speed * 0.999


def test_an_hour_at_a_hundred_thousand_times_the_speed_is_no_hour() -> None:
    async def work() -> bool:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        return asyncio.get_running_loop().time() >= 3600

    assert run(work, 1e5)


@pytest.mark.parametrize("speed", SPEEDS)
def test_sockets_wake_it_while_it_waits_for_a_timer(speed: float) -> None:
    async def work() -> bytes:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            loop = asyncio.get_running_loop()
            timer = loop.call_later(1e6 * speed, lambda: None)
            loop.call_later(0.001 * speed, theirs.send, b"x")
            received = await loop.sock_recv(ours, 1)
            timer.cancel()
            return received

    assert run(work, speed) == b"x"
