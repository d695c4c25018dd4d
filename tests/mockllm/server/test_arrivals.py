from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from server_for_tests import Served, in_warp

from mockllm.clock.sim_loop import SimLoop
from mockllm.protocols.anthropic_request import RequestReader
from mockllm.server.arrivals import Arrivals


def test_what_the_server_takes_to_read_a_request_delays_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    read = RequestReader.read

    async def talk(served: Served) -> list[int]:
        def slowly(*args: object) -> object:
            served.loop._now_us += 5_000  # as if reading had taken that long
            return read(*args)

        monkeypatch.setattr(RequestReader, "read", slowly)
        asked_us = served.loop.now_us()
        async with served.stream() as stream:
            moments = [served.loop.now_us() - asked_us async for event in stream if event.type == "content_block_delta"]
        plan = served.emulator.answers[0].timeline
        return [moments[0] - plan.first_us, moments[-1] - plan.end_us]

    assert in_warp(talk) == [0, 0]


def test_a_request_arrived_when_the_last_of_its_bytes_were_handed_over_and_what_is_gone_is_forgotten() -> None:
    heard: list[bytes] = []

    class Inner(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            heard.append(data)

    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here

    async def arrive() -> tuple[list[int], int]:
        arrivals = Arrivals()
        connection = arrivals.watching(Inner)()
        transport = asyncio.Transport()
        http: Any = SimpleNamespace(transport=transport)
        connection.connection_made(transport)
        moments = []
        for data in (b"POST", b" / HTTP/1.1"):
            await loop.sleep_until(loop.now_us() + 100)
            connection.data_received(data)
            await loop.sleep_until(loop.now_us() + 70)
            moments.append(arrivals.of(http, loop))
        connection.connection_lost(None)
        return moments, arrivals.of(http, loop)

    try:
        assert loop.run_until_complete(arrive()) == ([100, 270], 340)
    finally:
        loop.close()
    assert heard == [b"POST", b" / HTTP/1.1"]
