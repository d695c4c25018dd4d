"""What a client's libraries would take from the machine while they run in virtual time: clocks, threads and luck.

They ask no event loop for these, so for as long as a virtual run lasts they are given the loop's.
"""

from __future__ import annotations

import random
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from mockllm.clock.anyio_threads import anyio_threads_in
from mockllm.clock.warp_loop import WarpLoop

__all__ = ["client_stack_in", "seeded", "the_loops_clock"]

_CLOCKS = (
    ("httpcore2._async.http11", "time"),  # httpx2, and with it the Anthropic SDK
    ("httpcore._async.http11", "time"),  # httpx
    ("aiohttp.connector", "monotonic"),
)
"""Where the HTTP libraries read how long a connection has been idle: a module, and its name for the clock."""


@contextmanager
def client_stack_in(loop: WarpLoop, luck: float) -> Iterator[None]:
    """While this lasts, idle connections expire by the clock of `loop`, anyio's threads work in its executor, and
    `random`, from which SDKs draw their backoff, gives the stream that `luck` begins."""
    with the_loops_clock(loop), anyio_threads_in(loop), seeded(luck):
        yield


@contextmanager
def the_loops_clock(loop: AbstractEventLoop) -> Iterator[None]:
    """While this lasts, idle connections of the HTTP libraries expire by the clock of `loop`."""
    with ExitStack() as stack:
        for module, name in _CLOCKS:
            if find_spec(module.partition(".")[0]) is not None:
                stack.enter_context(_clock_in(import_module(module), name, loop))
        yield


@contextmanager
def _clock_in(module: Any, name: str, loop: AbstractEventLoop) -> Iterator[None]:
    real = getattr(module, name)
    setattr(module, name, loop.time if callable(real) else SimpleNamespace(monotonic=loop.time))
    try:
        yield
    finally:
        setattr(module, name, real)


@contextmanager
def seeded(luck: float) -> Iterator[None]:
    """While this lasts, `random` gives the stream that `luck` begins."""
    state = random.getstate()
    random.seed(luck)
    try:
        yield
    finally:
        random.setstate(state)
