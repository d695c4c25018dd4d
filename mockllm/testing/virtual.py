"""The mock and its client in one process, in virtual time: an agent that waits for half a minute ends in milliseconds.

The client is whatever the test builds, by the base URL alone: an SDK, httpx, aiohttp. It must be asynchronous, since a
blocking one waits in real time and asks no loop; to such a client the address is one where nobody listens.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from mockllm import MockLLMError
from mockllm.clock.client_stack import client_stack_in
from mockllm.clock.instants import VirtualTimeError
from mockllm.clock.warp_loop import WarpLoop
from mockllm.core.draws import Draws
from mockllm.core.limits import Limits, RateLimits
from mockllm.core.profile import Profile
from mockllm.server.application import build_app, build_runner
from mockllm.server.runs import DEFAULT_RUN, Runs, emulating
from mockllm.testing.mock import DEFAULT_PROFILE, Mock, Place, profile_of

__all__ = ["SocketError", "VirtualMock"]

T = TypeVar("T")
_HOST = "127.0.0.1"
_BACKLOG = 4096


class SocketError(MockLLMError):
    """The machine has no place for the mock's socket."""


class VirtualMock(Mock):
    """A context manager; within it, `run` runs a coroutine to its end in virtual time, with the mock at `base_url`.

    All runs of one `with` share the mock and its clock: the second begins when the first ended, and finds the cache as
    that left it. `connection_setup` makes the first answer on each connection wait for the profile's TCP and TLS.
    """

    def __init__(
        self,
        profile: str | Profile = DEFAULT_PROFILE,
        *,
        seed: int = 1,
        any_model: bool = True,
        connection_setup: bool = True,
    ) -> None:
        super().__init__()
        self._profile = profile_of(profile)
        self._draws = Draws(seed, 0)
        self._any_model = any_model
        self._connection_setup = connection_setup
        self._ran = 0

    def __enter__(self) -> VirtualMock:
        with ExitStack() as stack:
            port = stack.enter_context(_port_of_nobody())
            path = str(Path(stack.enter_context(_socket_folder())) / "mock")
            loop = self._loop = WarpLoop({(_HOST, port): path})
            self._runner = stack.enter_context(asyncio.Runner(loop_factory=lambda: loop))
            # Dates count from the epoch, so that they are the same in every run.
            make = emulating(self._profile, self._draws.seed, lambda: loop, lambda: RateLimits(Limits()))
            runs = Runs(make, any_model=self._any_model)
            server = build_runner(build_app(runs, connection_setup=self._connection_setup))
            self._runner.run(_start(server, path))
            stack.callback(lambda: self._runner.run(_stop(server, loop)))
            self._stack = stack.pop_all()
        self._place = Place(f"http://{_HOST}:{port}", runs, DEFAULT_RUN, _at_once)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._place = None
        self._stack.close()

    def run(self, agent: Callable[[], Awaitable[T]] | Awaitable[T]) -> T:
        """What `agent`, an async function or what one returned, comes to, run to its end in virtual time.

        Sleeping costs nothing, and time stands still while threads work. What the agent raises is raised; where nothing
        can wake it any more that is a `DeadlockError`, and where it does not end an `EndlessError`. Tasks that it
        leaves go on with the next run.
        """
        self._held  # noqa: B018  # raises where there is no mock
        task: asyncio.Task[T] | None = None

        async def main() -> T:
            nonlocal task
            task = asyncio.current_task()
            return await (agent() if callable(agent) else agent)

        self._ran += 1
        with client_stack_in(self._loop, self._draws.uniforms("random", f"run {self._ran}")[0]):
            try:
                return self._runner.run(main())
            except VirtualTimeError:
                if task is not None and not task.done():
                    task.cancel()
                    with suppress(VirtualTimeError):
                        self._runner.run(_wait(task))
                raise


async def _start(server: web.AppRunner, path: str) -> None:
    await server.setup()
    try:
        await web.UnixSite(server, path, backlog=_BACKLOG).start()
    except OSError as error:
        raise SocketError(
            f"{path}: the mock's socket cannot be made there: {error}; set TMPDIR to a short, writable folder"
        ) from None


async def _stop(server: web.AppRunner, loop: WarpLoop) -> None:
    """End what the runs left, their connections, and the server."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await _wait(*left)
    loop.hang_up()
    await server.cleanup()


async def _wait(*tasks: asyncio.Task[Any]) -> None:
    """Until all have ended, whatever came of them."""
    for task in tasks:
        with suppress(BaseException):
            await task


@contextmanager
def _port_of_nobody() -> Iterator[int]:
    """A port at which nobody listens, nor can for as long as this lasts."""
    with socket.socket() as taken:
        taken.bind((_HOST, 0))
        yield taken.getsockname()[1]


def _socket_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="mockllm-")
    except OSError as error:
        raise SocketError(f"no temporary folder for the mock's socket: {error}; set TMPDIR to a writable one") from None


def _at_once(work: Callable[[], T], /) -> T:
    return work()
