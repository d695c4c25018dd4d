"""What anyio's threads do in virtual time beyond this is held by the warp world's tests."""

from __future__ import annotations

import asyncio
import threading

import anyio.to_thread
from anyio._backends._asyncio import AsyncIOBackend

from mockllm.clock.anyio_threads import anyio_threads_in
from mockllm.clock.warp_loop import WarpLoop


def test_work_of_anyio_goes_through_the_loops_executor_for_as_long_as_it_is_asked_to() -> None:
    loop = WarpLoop()
    real = AsyncIOBackend.run_sync_in_worker_thread

    async def name() -> str:
        return await anyio.to_thread.run_sync(lambda: threading.current_thread().name)

    with anyio_threads_in(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(name()).startswith("warp")
    assert AsyncIOBackend.run_sync_in_worker_thread == real
    assert asyncio.run(name()).startswith("AnyIO")
