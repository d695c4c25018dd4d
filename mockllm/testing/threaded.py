"""A real server in a thread of its own, for as long as a `with` statement lasts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import TypeVar

from mockllm import MockLLMError
from mockllm.clock.instants import RealClock
from mockllm.core.limits import Limits, RateLimits
from mockllm.core.profile import Profile
from mockllm.server.addresses import listen
from mockllm.server.application import build_app, build_runner
from mockllm.server.runs import DEFAULT_RUN, Runs, RunSpec, emulating
from mockllm.testing.mock import DEFAULT_PROFILE, Mock, NotStartedError, Place, profile_of

__all__ = ["MockServer", "SpeedError"]

T = TypeVar("T")
_HOST = "127.0.0.1"
_KEEPALIVE_S = 3630.0


class SpeedError(MockLLMError):
    """Time cannot run that fast."""


class MockServer:
    """A context manager, in `with` and in `async with`; it gives a `Mock` at a free port of this machine.

    The loop of the server is its own, so blocking clients and those of any other loop are served alike. Time runs
    `speed` times as fast, lives of cache entries too; a budget's seconds are the mock's. `any_model` answers whatever
    model is named. `connection_setup` makes the first answer on each connection wait for the profile's TCP and TLS.
    """

    def __init__(
        self,
        profile: str | Profile = DEFAULT_PROFILE,
        *,
        seed: int = 1,
        speed: float = 1.0,
        any_model: bool = True,
        connection_setup: bool = True,
    ) -> None:
        if not 0 < speed < float("inf"):
            raise SpeedError(f"speed: {speed} is no number above 0")
        self._profile = profile_of(profile)
        self._seed = seed
        self._speed = speed
        self._any_model = any_model
        self._connection_setup = connection_setup

    def __enter__(self) -> Mock:
        ready: Future[tuple[str, Runs, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._live, args=(ready,), name="mockllm", daemon=True)
        self._thread.start()
        self._url, self._runs, self._loop, self._stopped = ready.result()
        return Mock(Place(self._url, self._runs, DEFAULT_RUN, self._ask))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def __aenter__(self) -> Mock:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, traceback)

    def open(self, spec: RunSpec) -> Mock:
        """A further run of the same server, with a base URL, a cache and a log of its own."""
        self._ask(lambda: self._runs.open(spec))
        return Mock(Place(f"{self._url}/_run/{spec.name}", self._runs, spec.name, self._ask))

    def close(self, name: str) -> None:
        """Forget the run of that name."""
        self._ask(lambda: self._runs.close(name))

    def _live(self, ready: Future[tuple[str, Runs, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, ready: Future[tuple[str, Runs, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        make = emulating(
            self._profile,
            self._seed,
            lambda: RealClock(loop, self._speed),
            lambda: RateLimits(Limits(), time.time(), self._speed),
        )
        runs = Runs(make, any_model=self._any_model)
        app = build_app(runs, connection_setup=self._connection_setup)
        server = build_runner(app, keepalive_s=_KEEPALIVE_S / self._speed)
        await server.setup()
        try:
            ready.set_result((await listen(server, _HOST, 0), runs, loop, stopped))
            await stopped.wait()
        finally:
            await server.cleanup()

    def _ask(self, work: Callable[[], T], /) -> T:
        """What `work` comes to on the server's loop, where no request is between two of its steps."""
        done: Future[T] = Future()

        def job() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # it is the asker's
                done.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(job)
        except RuntimeError:
            raise NotStartedError("the mock is not running any more; use it inside its `with` statement") from None
        return done.result()
