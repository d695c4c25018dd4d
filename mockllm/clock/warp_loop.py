"""A real asyncio loop with real sockets whose clock is virtual: it jumps to the next timer where every task waits.

Both ends of every connection live in this loop and talk over Unix sockets, on which the kernel delivers while the
sender is still in its call; so where a poll finds nothing, nothing is on its way, however busy the machine is. (A TCP
loopback has no such moment: its delivery may be put off to a kernel thread.) Jobs in threads are waited for before
time moves, and their results are delivered in the order in which the jobs were handed in.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextvars import Context
from typing import Any, NoReturn, TypeVar, TypeVarTuple
from weakref import WeakSet

from mockllm.clock.instants import (
    MOST_CALLBACKS_PER_INSTANT,
    MOST_VIRTUAL_US,
    DeadlockError,
    Gate,
    VirtualTimeError,
    due_us,
    endless_instant,
    endless_time,
    finish,
    waiting_tasks,
)
from mockllm.clock.routes import Address, Routes, UnixSocket
from mockllm.core.clock import Key

__all__ = ["NoChildError", "NoNetworkError", "WarpLoop", "no_network"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_JOB_POLL_S = 0.01
_JOB_PATIENCE = 500  # polls: five seconds
_NO_ROUTE = "use the client that run(client, config) is handed"


class NoNetworkError(VirtualTimeError, OSError):
    """Code in virtual time wanted to speak to another host; to whoever can do without, a network that is down."""


class NoChildError(VirtualTimeError):
    """A coroutine in virtual time wanted to start a process, for which no clock stands still."""


class WarpLoop(asyncio.SelectorEventLoop):
    """Virtual time from 0 in whole microseconds over real sockets; `settle` and `sleep_until` as in `Clock`.

    It speaks to no network; `routes` are the addresses whose connections it makes to a Unix socket instead, by that
    socket's path. Raises `DeadlockError` and `EndlessError` like the sim loop.
    """

    ties = True
    _scheduled: list[asyncio.TimerHandle]  # the parent's heap

    def __init__(self, routes: Mapping[Address, str] | None = None) -> None:
        self._routes = Routes(routes or {})
        self._routed: WeakSet[asyncio.WriteTransport] = WeakSet()
        self._now_us = 0
        self._serial = 0
        self._gate = Gate()
        self._jobs: deque[tuple[Future[Any], asyncio.Future[Any]]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._patience = _JOB_PATIENCE
        super().__init__(_JumpingSelector(self))

    # The clock

    def now_us(self) -> int:
        return self._now_us

    def us_at(self, loop_s: float) -> int:
        return round(loop_s * 1e6)

    def time(self) -> float:
        return self._now_us / 1e6

    def sleep_until(self, at_us: int) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self.create_future()
        if at_us <= self._now_us:
            self.call_soon(finish, future)  # by way of the loop, which then sees a coroutine that never stops
        else:
            self.call_at(at_us / 1e6, finish, future)
        return future

    def settle(self, key: Key) -> asyncio.Future[None]:
        return self._gate.wait(key, self.create_future())

    # What differs from a real loop

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        # The parent computes when from time() + delay; to count in whole microseconds every timer is rounded here. Its
        # heap knows no order among the timers of one microsecond, so each has a serial number.
        self._serial += 1
        timer = _Timer(due_us(when, self._now_us) / 1e6, self._serial, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # noqa: SLF001  # as the parent marks its own
        return timer

    def run_in_executor(  # type: ignore[override]  # takes less than asyncio's own
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` in a thread; time stands still until it is done, and its result arrives in order of submission."""
        if executor is None:
            # Not the parent's default executor: its shutdown waits for a thread in a way that looks like a deadlock.
            self._threads = self._threads or ThreadPoolExecutor(thread_name_prefix="warp")
            executor = self._threads
        delivered: asyncio.Future[T] = self.create_future()
        self._jobs.append((executor.submit(func, *args), delivered))
        return delivered

    async def getaddrinfo(self, host: Any, *args: Any, **options: Any) -> Any:
        """Refused: nothing in virtual time may reach beyond this process, least of all with a key of the user's."""
        raise no_network(host, self._routes)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Unix sockets only, for the same reason: an address in digits needs no name to be resolved."""
        if sock.family == socket.AF_UNIX:
            await super().sock_connect(sock, address)
        elif (path := self._routes.path(*address[:2])) is not None:
            self._routes.divert(sock, await self._connected(path))
        else:
            raise no_network(address, self._routes)

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        """As in the parent, but that an address among the routes leads to its Unix socket."""
        if (path := self._routes.path(host, port)) is not None:
            if options.get("ssl"):
                options.setdefault("server_hostname", host)
            host, port, options["sock"] = None, None, await self._connected(path)
        elif (sock := options.get("sock")) is not None:
            options["sock"] = self._routes.claim(sock)
        transport, protocol = await super().create_connection(protocol_factory, host, port, **options)
        self._routed.add(transport)
        return transport, protocol

    def hang_up(self) -> None:
        """Drop every connection that a client made on this loop and still has."""
        for transport in self._routed:
            transport.abort()

    async def _connected(self, path: str) -> UnixSocket:
        sock = UnixSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await super().sock_connect(sock, path)
        except BaseException:
            sock.close()
            raise
        return sock

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        """Refused: time would run on while the process works, and how far would be chance."""
        raise _no_child()

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        """Refused, for the same reason."""
        raise _no_child()

    def close(self) -> None:
        super().close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _end_instant(self, timeout: float | None) -> None:
        """Called where a poll found nothing and no callback is ready: wake someone at this instant, or move time."""
        if self._gate:
            self._gate.open()
        elif timeout is None:
            raise DeadlockError(f"deadlock at {self._now_us / 1e6:.6f} s: nothing can wake {waiting_tasks(self)}")
        else:
            due_us = self._now_us + max(1, round(timeout * 1e6))
            if due_us > MOST_VIRTUAL_US:
                raise endless_time(due_us)
            self._now_us = due_us

    def _await_job(self) -> bool:
        """Deliver the job handed in first once it is done; False where there is none, or after a moment's wait.

        The wait is short and repeated, so that a job may call back into the loop while it runs.
        """
        if not self._jobs:
            return False
        wait([self._jobs[0][0]], timeout=_JOB_POLL_S)
        self._patience -= 1
        for place, (job, delivered) in enumerate(self._jobs):
            # The order of submission, unless the first has kept the others so long that it may be waiting for them.
            if job.done() and (place == 0 or self._patience < 0):
                del self._jobs[place]
                self._patience = _JOB_PATIENCE
                _deliver(job, delivered)
                break
        return True


def no_network(wanted: object, routes: Iterable[Address] = ()) -> NoNetworkError:
    """The error for whoever wants to speak to `wanted` where nothing but `routes` can be reached."""
    name = wanted.decode("ascii", "replace") if isinstance(wanted, bytes) else wanted
    mocks = " or ".join(f"http://{host}:{port}" for host, port in routes)
    advice = f"give your client the base URL of the mock, {mocks}" if mocks else _NO_ROUTE
    return NoNetworkError(f"{name!r} was asked for in virtual time, which has no network; {advice}")


def _no_child() -> NoChildError:
    return NoChildError(
        "a process was started by asyncio in virtual time, which cannot wait for it; use asyncio.to_thread with "
        "subprocess.run, and an asyncio.sleep of its latency"
    )


class _Timer(asyncio.TimerHandle):
    """A timer that fires after those of its microsecond which were set before it."""

    __slots__ = ("serial",)
    _scheduled: bool

    def __init__(
        self,
        when: float,
        serial: int,
        callback: Callable[..., Any],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.serial = serial

    def __lt__(self, other: object) -> bool:
        return isinstance(other, _Timer) and (self.when(), self.serial) < (other.when(), other.serial)


def _deliver(job: Future[Any], delivered: asyncio.Future[Any]) -> None:
    if delivered.done():
        return
    error = job.exception()
    if isinstance(error, StopIteration):
        # No future may hold one: to a coroutine it would mean the end.
        delivered.set_exception(RuntimeError("a job raised StopIteration"))
    elif error is not None:
        delivered.set_exception(error)
    else:
        delivered.set_result(job.result())


class _JumpingSelector(selectors.BaseSelector):
    """Polls the real selector without ever waiting; where nothing came, the loop says what happens next.

    The `timeout` of `select` is the loop's: 0 where callbacks are ready, None where no timer is set.
    """

    def __init__(self, loop: WarpLoop) -> None:
        self._inner = selectors.DefaultSelector()
        self._loop = loop
        self._polls = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._polls += 1
        if self._polls > MOST_CALLBACKS_PER_INSTANT:
            self._polls = 0  # the loop goes on for as long as its tasks take to end
            raise endless_instant(self._loop.now_us())
        events = self._inner.select(0)
        if not events and (timeout is None or timeout > 0):
            self._polls = 0
            if not self._loop._await_job():  # noqa: SLF001  # the two classes are one mechanism
                self._loop._end_instant(timeout)  # noqa: SLF001  # its own loop
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def close(self) -> None:
        self._inner.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()
