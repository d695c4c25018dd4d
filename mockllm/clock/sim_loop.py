"""An asyncio event loop on SimPy's event heap: no sockets, no threads, no waiting.

SimPy's heap of (time, priority, serial, event) is the determinism: timers that fall on one microsecond fire in the
order in which they were set. As in asyncio's own loops, all timers that are due join the ready callbacks, which run in
rounds; where none is ready, the instant's gate opens; only then does time move.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.events import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, NoReturn, TypeVar
from weakref import WeakValueDictionary

import simpy
from simpy.events import NORMAL, Event

from mockllm.clock.instants import (
    MOST_CALLBACKS_PER_INSTANT,
    MOST_VIRTUAL_US,
    DeadlockError,
    Gate,
    due_us,
    endless_instant,
    endless_time,
    finish,
    report_problem,
    waiting_tasks,
)
from mockllm.core.clock import Key

__all__ = ["SimLoop"]

T = TypeVar("T")
_NO_CONTEXT = Context()


class _Heap(simpy.Environment):
    """SimPy's environment; `events` is its heap, whose first entry's first field is when the next event is due."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)
        self.events = self._queue


class _Timer(Event):
    """A SimPy event due `delay_us` from now that calls `callback` when it fires, with no process around it."""

    def __init__(self, env: simpy.Environment, delay_us: int, callback: Callable[[Event], None]) -> None:
        self.env = env
        self.callbacks = [callback]
        self._ok = True
        self._value = None
        self._defused = False
        env.schedule(self, NORMAL, delay_us)


class _Handle:
    """A callback that waits for its turn."""

    __slots__ = ("args", "callback", "context", "dropped", "due_s")

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None, due_s: float
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context if context is not None else copy_context()
        self.dropped = False
        self.due_s = due_s

    def cancel(self) -> None:
        self.dropped = True

    def cancelled(self) -> bool:
        return self.dropped

    def when(self) -> float:
        return self.due_s


class SimLoop(asyncio.AbstractEventLoop):
    """Virtual time from 0 in whole microseconds; `settle` and `sleep_until` as in `Clock`.

    Raises `DeadlockError` where every task waits for nothing, and `EndlessError` past a day of virtual time or a
    million callbacks at one instant.
    """

    ties = True

    def __init__(self) -> None:
        # Made for the first timer that somebody else could come before: most runs of one agent set none. Its times are
        # whole microseconds, which its types do not say, and its own clock stands at the last timer that fired.
        self._env: Any = None
        self._events: list[Any] = []
        self._now_us = 0
        self._ready: deque[_Handle] = deque()
        self._gate = Gate()
        self._closed = False
        self._running = False
        # By identity, and not a set: those still open at the end are closed in the order of their opening.
        self._generators: WeakValueDictionary[int, AsyncGenerator[Any, Any]] | None = None
        self._here = 0  # what happened at this instant so far
        self._tasks = 0  # made so far
        self._main: asyncio.Task[Any]
        self._done: asyncio.Future[None] = asyncio.Future(loop=self)
        self._done.set_result(None)

    # The clock

    def now_us(self) -> int:
        return self._now_us

    def us_at(self, loop_s: float) -> int:
        return round(loop_s * 1e6)

    def time(self) -> float:
        return self._now_us / 1e6

    async def sleep_until(self, at_us: int) -> None:
        events = self._events
        if at_us <= self._now_us:
            await self._pass()
        elif (
            not self._ready
            and not self._gate.waiting
            and (not events or events[0][0] > at_us)
            and not (self._main.cancelling() if self._tasks == 1 else self._hears_of_its_end())
            and at_us <= MOST_VIRTUAL_US
        ):
            self._now_us = at_us
            self._here = 0
        else:
            # Who has gone on past a limit waits too: the error is the loop's, where no scenario can catch it and go on.
            future: asyncio.Future[None] = asyncio.Future(loop=self)
            # By way of a callback, as every timer of asyncio's own loops, so that ties fall as they do in warp.
            handle = _Handle(finish, (future,), _NO_CONTEXT, 0.0)
            self._set_timer(at_us, handle)
            await future

    def _pass(self) -> asyncio.Future[None]:
        """Give way as a callback that is due now would, unless nobody else has anything to do first."""
        due = self._events and self._events[0][0] <= self._now_us
        others = self._ready or self._gate.waiting or due
        if others or self._hears_of_its_end() or self._here >= MOST_CALLBACKS_PER_INSTANT:
            future: asyncio.Future[None] = asyncio.Future(loop=self)
            self._ready.append(_Handle(finish, (future,), _NO_CONTEXT, 0.0))
            return future
        self._here += 1
        return self._done

    def settle(self, key: Key) -> asyncio.Future[None]:
        events = self._events
        if (
            self._ready
            or self._gate.waiting
            or (events and events[0][0] <= self._now_us)
            or (self._main.cancelling() if self._tasks == 1 else self._hears_of_its_end())
            or self._here >= MOST_CALLBACKS_PER_INSTANT
        ):
            return self._gate.wait(key, asyncio.Future(loop=self))
        self._here += 1
        return self._done

    def _hears_of_its_end(self) -> bool:
        """Whether the running task has cancelled itself: it hears of that where it next gives way, and so must."""
        task = asyncio.current_task(self)
        return task is not None and task.cancelling() > 0

    # What asyncio asks of a loop

    def call_soon(  # type: ignore[override]  # takes less than asyncio's own
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> _Handle:
        handle = _Handle(callback, args, context, 0.0)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # takes less than asyncio's own
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> _Handle:
        at_us = due_us(when, self._now_us)
        handle = _Handle(callback, args, context, at_us / 1e6)
        self._set_timer(at_us, handle)
        return handle

    def call_later(  # type: ignore[override]  # takes less than asyncio's own
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> _Handle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # takes less than asyncio's own
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        self._tasks += 1
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        report_problem(context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> NoReturn:  # type: ignore[override]  # takes less than asyncio's own
        raise NotImplementedError("the sim world has no threads; run this scenario with --world warp")

    # Running

    def run_until_complete(self, future: Coroutine[Any, Any, T]) -> T:  # type: ignore[override]  # takes less than asyncio's own
        """Run `future` and everything it started to its end, and return its result."""
        hooks = sys.get_asyncgen_hooks()
        outer = _get_running_loop()
        sys.set_asyncgen_hooks(firstiter=self._remember, finalizer=self._finalize)
        _set_running_loop(self)
        self._running = True
        main = self.create_task(future)
        self._main = main
        try:
            self._drive(main)
            return main.result()
        finally:
            if main.done() and not main.cancelled():
                main.exception()  # whoever stopped the loop knows of it: no log of an error that nobody saw
            try:
                self._end_the_rest(main)
            finally:
                self._running = False
                _set_running_loop(outer)
                sys.set_asyncgen_hooks(*hooks)

    def close(self) -> None:
        self._closed = True
        self._ready.clear()

    def _drive(self, task: asyncio.Future[Any]) -> None:
        ready, gate = self._ready, self._gate
        while not task.done():
            events = self._events
            while events and events[0][0] <= self._now_us:
                self._env.step()
            if ready:
                self._count(len(ready))
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    if not handle.dropped:
                        _run(handle)
            elif gate.waiting:
                gate.open()
            elif events:
                self._reach(events[0][0])
            else:
                raise DeadlockError(f"deadlock at {self.time():.6f} s: nothing can wake {waiting_tasks(self)}")

    def _set_timer(self, at_us: int, handle: _Handle) -> None:
        if self._env is None:
            self._env = _Heap()
            self._events = self._env.events
        _Timer(self._env, at_us - self._env.now, lambda _: self._ready.append(handle))

    def _reach(self, at_us: int) -> None:
        """Begin the instant `at_us`."""
        if at_us > MOST_VIRTUAL_US:
            raise endless_time(at_us)
        self._now_us = at_us
        self._here = 0

    def _count(self, callbacks: int) -> None:
        self._here += callbacks
        if self._here > MOST_CALLBACKS_PER_INSTANT:
            self._here = 0  # the loop goes on for as long as its tasks take to end
            raise endless_instant(self._now_us)

    def _end_the_rest(self, main: asyncio.Task[Any]) -> None:
        # Asking for all tasks is dear, and most runs have but one, which is done.
        alone = self._tasks == 1 and main.done()
        left = [] if alone else [task for task in asyncio.all_tasks(self) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            self._drive(asyncio.gather(*left, return_exceptions=True))
        for generator in list(self._generators.values()) if self._generators is not None else ():
            self._drive(self.create_task(generator.aclose()))

    def _remember(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._generators is None:
            self._generators = WeakValueDictionary()
        self._generators[id(generator)] = generator

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.create_task(generator.aclose())


def _run(handle: _Handle) -> None:
    try:
        handle.context.run(handle.callback, *handle.args)
    except Exception as error:  # a callback's error is its own; a task keeps that of its coroutine
        report_problem({"message": f"an error in the callback {handle.callback!r}", "exception": error})
