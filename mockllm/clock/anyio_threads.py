"""Work that anyio hands to threads: it keeps threads of its own, of which no event loop is told.

A clock that jumps while they work would call their time nothing, or their end a deadlock. So in a warp run that work
goes through the loop's executor, for which time stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from importlib import import_module
from typing import Any

from anyio import CancelScope

from mockllm.clock.warp_loop import WarpLoop

__all__ = ["anyio_threads_in"]


@contextmanager
def anyio_threads_in(loop: WarpLoop) -> Iterator[None]:
    """While this lasts, `anyio.to_thread.run_sync` runs in the executor of `loop`."""
    backend: Any = import_module("anyio._backends._asyncio").AsyncIOBackend
    core: Any = import_module("anyio._core._eventloop")
    real = backend.__dict__["run_sync_in_worker_thread"]

    async def run_sync(
        func: Callable[..., Any], args: tuple[Any, ...], abandon_on_cancel: bool = False, limiter: Any = None
    ) -> Any:
        await backend.checkpoint()
        async with limiter or backend.current_default_thread_limiter():
            with CancelScope(shield=not abandon_on_cancel) as scope:
                context = copy_context()

                def job() -> Any:
                    # What `anyio.from_thread` looks for in a thread that is to call back.
                    with core.claim_worker_thread(backend, loop):
                        core.threadlocals.current_cancel_scope = scope
                        try:
                            return context.run(func, *args)
                        finally:
                            del core.threadlocals.current_cancel_scope

                return await loop.run_in_executor(None, job)

    backend.run_sync_in_worker_thread = staticmethod(run_sync)
    try:
        yield
    finally:
        backend.run_sync_in_worker_thread = real
