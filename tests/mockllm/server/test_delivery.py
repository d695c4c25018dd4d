from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from server_for_tests import Served, in_warp

from mockllm.clock.warp_loop import WarpLoop
from mockllm.core.reply import Script
from mockllm.server.delivery import Deliveries, StoppingError


def test_a_stop_wakes_whoever_waits_and_turns_away_whoever_comes() -> None:
    async def wait(loop: WarpLoop) -> list[float]:
        deliveries = Deliveries()
        woken: list[float] = []

        async def until(at_us: int) -> None:
            with pytest.raises(StoppingError):
                await deliveries.until(loop.sleep_until(at_us))
            woken.append(loop.time())

        waiting = [asyncio.create_task(until(at)) for at in (10_000_000, 20_000_000)]
        await deliveries.until(loop.sleep_until(1_000_000))
        deliveries.stop()
        await asyncio.gather(*waiting)
        await until(2_000_000)
        return woken

    loop = WarpLoop()
    try:
        assert loop.run_until_complete(wait(loop)) == [1.0, 1.0, 2.0]
    finally:
        loop.close()


def test_a_server_that_stops_ends_its_streams_with_an_error_event() -> None:
    async def talk(served: Served) -> tuple[Any, str]:
        shown: list[str] = []
        begun = asyncio.Event()

        async def read() -> None:
            async with served.stream() as stream:
                async for text in stream.text_stream:
                    shown.append(text)  # what came before the error is what counts
                    begun.set()

        reading = asyncio.create_task(read())
        await begun.wait()
        await served.stop()
        with pytest.raises(anthropic.APIStatusError) as caught:
            await reading
        return caught.value, "".join(shown)

    error, shown = in_warp(talk, speak=lambda _: Script(2000))
    assert error.status_code == 200
    assert isinstance(error.body, dict)
    assert error.body["error"]["type"] == "overloaded_error"
    assert 0 < len(shown) < 8000
