"""What the virtual loops share: the gate at the end of an instant and the ways in which a run can fail to end.

`RealClock` gives an ordinary loop the same verbs (`mockllm.core.clock.Clock`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Generator
from typing import Any

from mockllm import MockLLMError
from mockllm.core.clock import Key

__all__ = [
    "MOST_CALLBACKS_PER_INSTANT",
    "MOST_VIRTUAL_US",
    "DeadlockError",
    "EndlessError",
    "Gate",
    "RealClock",
    "VirtualTimeError",
    "due_us",
    "endless_instant",
    "endless_time",
    "finish",
    "report_problem",
    "waiting_tasks",
]

_log = logging.getLogger("mockllm.clock")
MOST_VIRTUAL_US = 24 * 3600 * 1_000_000
MOST_CALLBACKS_PER_INSTANT = 1_000_000
_NEVER_S = 1e9
_ASYNCIO = asyncio.__path__[0]


class VirtualTimeError(MockLLMError):
    """A coroutine that cannot be run in virtual time."""


class DeadlockError(VirtualTimeError):
    """Every task waits, and neither a timer nor a job can wake one."""


class EndlessError(VirtualTimeError):
    """Virtual time, or the work at one instant, went past every sensible limit."""


class Gate:
    """Those who wait for the end of this instant. The loop opens it; `open` wakes a batch in order of key."""

    __slots__ = ("_serial", "waiting")

    def __init__(self) -> None:
        self.waiting: list[tuple[Key, int, asyncio.Future[None]]] = []
        self._serial = 0

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def wait(self, key: Key, future: asyncio.Future[None]) -> asyncio.Future[None]:
        self._serial += 1
        self.waiting.append((key, self._serial, future))
        return future

    def open(self) -> None:
        """Wake everyone who waits now. Equal keys, which only unnamed twins can have, keep the order of arrival."""
        batch, self.waiting = self.waiting, []
        if len(batch) > 1:
            batch.sort(key=_order)
        for _, _, future in batch:
            if not future.done():
                future.set_result(None)


def _order(entry: tuple[Key, int, asyncio.Future[None]]) -> tuple[Key, int]:
    return entry[0], entry[1]


class _Passed:
    """Nothing to wait for; whoever awaits it goes on at once."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_PASSED = _Passed()


class RealClock:
    """The verbs of `Clock` on an ordinary loop: deadlines are real, and every instant has its own arrivals.

    Time runs `speed` times as fast as the loop's, so everything that this clock measures takes as much less: answers,
    but the life of a cache entry too.
    """

    __slots__ = ("_loop", "_origin", "_per_s", "_time")
    ties = False

    def __init__(self, loop: asyncio.AbstractEventLoop, speed: float = 1.0) -> None:
        self._loop = loop
        self._time = loop.time
        self._origin = loop.time()
        self._per_s = 1e6 * speed

    def restart(self) -> None:
        """Let time begin now: whoever needs a clock to get ready begins when that is done."""
        self._origin = self._time()

    def now_us(self) -> int:
        return round((self._time() - self._origin) * self._per_s)

    def us_at(self, loop_s: float) -> int:
        """The microsecond of this clock at the loop's time `loop_s`."""
        return round((loop_s - self._origin) * self._per_s)

    def sleep_until(self, at_us: int) -> asyncio.Future[None]:
        future = self._loop.create_future()
        if at_us <= self.now_us():
            future.set_result(None)
        else:
            self._loop.call_at(self._origin + at_us / self._per_s, finish, future)
        return future

    def settle(self, key: Key) -> Awaitable[None]:
        return _PASSED


def finish(future: asyncio.Future[None]) -> None:
    """Wake whoever awaits `future`, unless it was cancelled."""
    if not future.done():
        future.set_result(None)


def due_us(when_s: float, now_us: int) -> int:
    """The whole microsecond, from now on, at which a timer for a loop's time `when_s` fires.

    What is never due, such as infinity, falls past every run's end. A time that lies beyond now, but by less than half
    a microsecond, is due in the next one: whoever sets the timer again until that time has come would otherwise do so
    for ever (anyio's cancel scopes do).
    """
    at_us = round(min(when_s, _NEVER_S) * 1e6)
    return at_us if at_us > now_us else now_us + (when_s > now_us / 1e6)


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """The tasks that wait on `loop`, each with the line at which it does, for the one line of an error."""
    places = []
    for task in asyncio.all_tasks(loop):
        coroutine: Any = task.get_coro()
        place = getattr(coroutine, "__qualname__", task.get_name())
        # The innermost coroutine that is not asyncio's own is where its author looks.
        while (frame := getattr(coroutine, "cr_frame", None)) is not None:
            file = frame.f_code.co_filename
            if not file.startswith(_ASYNCIO):
                place = f"{coroutine.__qualname__} at {file.rsplit('/', 1)[-1]}:{frame.f_lineno}"
            coroutine = coroutine.cr_await
        places.append(place)
    return ", ".join(sorted(places)) or "no task at all"


def endless_instant(now_us: int) -> EndlessError:
    """The error for work at one instant that does not end."""
    return EndlessError(
        f"endless at {now_us / 1e6:.6f} s: a million callbacks ran and time did not move; await a sleep in that loop"
    )


def endless_time(due_us: float) -> EndlessError:
    """The error for a run whose next event lies beyond `MOST_VIRTUAL_US`."""
    return EndlessError(
        f"endless: the run is still going after {MOST_VIRTUAL_US / 3.6e9:.0f} h of virtual time "
        f"(next event at {due_us / 1e6:.0f} s); give its loop an end"
    )


def report_problem(context: dict[str, Any]) -> None:
    """Log what a callback or a forgotten task raised, as asyncio's own loops do."""
    _log.error("%s", context.get("message", "an error in a callback"), exc_info=context.get("exception"))
