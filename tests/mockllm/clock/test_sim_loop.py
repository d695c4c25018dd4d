from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import logging
import math
import socket
import threading
from asyncio.events import _get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.clock.instants import DeadlockError, EndlessError
from mockllm.clock.sim_loop import SimLoop
from mockllm.core.clock import Clock

T = TypeVar("T")


def run(main: Callable[[SimLoop], Awaitable[T]]) -> T:
    """What `main` returns, on a loop of its own."""

    async def whole() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        return await main(loop)

    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
    try:
        return loop.run_until_complete(whole())
    finally:
        loop.close()
        assert _get_running_loop() is None


def test_a_run_begins_at_zero_and_a_sleep_takes_no_time_but_virtual() -> None:
    async def main(loop: SimLoop) -> list[float]:
        seen = [loop.time()]
        await asyncio.sleep(3600)
        await loop.sleep_until(3_600_000_007)
        return [*seen, loop.time(), loop.now_us()]

    assert run(main) == [0.0, 3600.000007, 3_600_000_007]


def test_a_timer_is_counted_from_now_however_time_came_to_be_now() -> None:
    async def main(loop: SimLoop) -> list[int]:
        seen = []
        for alone_until_us in (5_000_000, 10_000_000):
            await loop.sleep_until(alone_until_us)  # nobody else is there, so no timer is set
            await asyncio.sleep(1)
            seen.append(loop.now_us())
        return seen

    assert run(main) == [6_000_000, 11_000_000]


@given(st.lists(st.floats(0, 5), min_size=1, max_size=20))
def test_timers_fire_by_whole_microseconds_and_ties_in_the_order_of_setting(delays: list[float]) -> None:
    async def main(loop: SimLoop) -> list[tuple[int, int]]:
        fired: list[tuple[int, int]] = []
        for number, delay in enumerate(delays):
            loop.call_later(delay, lambda number=number: fired.append((loop.now_us(), number)))
        await asyncio.sleep(6)
        return fired

    # However short a delay, it is one.
    assert run(main) == sorted((max(round(delay * 1e6), delay > 0), number) for number, delay in enumerate(delays))


def test_a_deadline_that_has_passed_is_met_at_once() -> None:
    async def main(loop: SimLoop) -> int:
        await asyncio.sleep(2)
        await loop.sleep_until(1_000_000)
        await loop.sleep_until(2_000_000)
        return loop.now_us()

    assert run(main) == 2_000_000


def test_every_timer_that_is_due_has_its_turn_before_what_follows_from_the_first() -> None:
    async def main(loop: SimLoop) -> str:
        log = []

        async def twice(name: str) -> None:
            await asyncio.sleep(1)
            log.append(name)
            await asyncio.sleep(0)
            log.append(name)

        await asyncio.gather(*map(twice, "abc"))
        return "".join(log)

    assert run(main) == "abcabc"


def test_a_lab_sleep_and_an_asyncio_sleep_tie_in_the_order_of_setting() -> None:
    async def main(loop: SimLoop) -> str:
        log = []

        async def wait(name: str) -> None:
            await (loop.sleep_until(1_000_000) if name == "b" else asyncio.sleep(1))
            log.append(name)

        await asyncio.gather(*map(wait, "abc"))
        return "".join(log)

    assert run(main) == "abc"


@given(st.permutations(["a/1", "a/2", "b", "main/turn-0", "main/turn-10", "main/turn-2"]))
def test_those_who_settle_resume_in_the_order_of_their_names(names: list[str]) -> None:
    async def main(loop: SimLoop) -> list[tuple[int, str]]:
        order = []

        async def settle(name: str) -> None:
            await asyncio.sleep(1)
            await loop.settle((name, 0))
            order.append((loop.now_us(), name))

        async def hesitant() -> None:
            # A name that sorts first and arrives last of all: by way of many callbacks, but within the instant.
            await asyncio.sleep(1)
            for _ in range(50):
                await asyncio.sleep(0)
            await loop.settle(("a/0", 0))
            order.append((loop.now_us(), "a/0"))

        await asyncio.gather(*map(settle, names), hesitant())
        return order

    assert run(main) == [(1_000_000, name) for name in sorted([*names, "a/0"])]


def test_a_timer_due_at_this_instant_comes_before_the_end_of_it() -> None:
    async def main(loop: SimLoop) -> list[str]:
        log: list[str] = []
        loop.call_later(0, log.append, "timer")
        await loop.settle(("a", 0))
        log.append("settled")
        return log

    assert run(main) == ["timer", "settled"]


def test_task_groups_queues_events_and_timeouts_work_as_ever() -> None:
    async def main(loop: SimLoop) -> dict[str, Any]:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        event = asyncio.Event()
        semaphore = asyncio.Semaphore(1)
        seen: dict[str, Any] = {}

        async def produce() -> None:
            for number in range(3):
                async with semaphore:
                    await asyncio.sleep(1)
                await queue.put(number)
            event.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            seen["taken"] = [await queue.get() for _ in range(3)]
            await event.wait()
            seen["at"] = loop.now_us()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        seen["timeout"] = loop.now_us()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(9), 0.5)
        seen["wait_for"] = loop.now_us()
        seen["gathered"] = await asyncio.gather(asyncio.sleep(1, "a"), asyncio.sleep(0.5, "b"))
        return seen

    assert run(main) == {
        "taken": [0, 1, 2],
        "at": 3_000_000,
        "timeout": 5_500_000,
        "wait_for": 6_000_000,
        "gathered": ["a", "b"],
    }


def test_a_timer_that_was_cancelled_does_nothing() -> None:
    async def main(loop: SimLoop) -> list[int]:
        fired: list[int] = []
        dropped = loop.call_later(1, fired.append, 1)
        kept = loop.call_at(2, fired.append, 2)
        dropped.cancel()
        await asyncio.sleep(3)
        assert dropped.cancelled()
        assert kept.when() == 2.0
        return fired

    assert run(main) == [2]


def test_the_end_cancels_what_was_left_running_and_lets_it_clean_up() -> None:
    log = []

    async def main(loop: SimLoop) -> str:
        async def left() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(1)
                log.append(loop.now_us())

        asyncio.create_task(left())  # noqa: RUF006  # it is meant to be forgotten
        await asyncio.sleep(1)
        return "done"

    assert run(main) == "done"
    assert log == [2_000_000]


def test_generators_that_were_left_open_are_closed_in_the_order_of_their_opening() -> None:
    log: list[str] = []
    kept = []

    async def main(loop: SimLoop) -> None:
        async def numbers(name: str) -> AsyncIterator[int]:
            try:
                for number in itertools.count():
                    yield number
            finally:
                await asyncio.sleep(0.5)
                log.append(name)

        for name in "abcdefgh":
            generator = numbers(name)
            kept.append(generator)
            assert await anext(generator) == 0
        dropped = numbers("dropped")
        await anext(dropped)
        del dropped
        await asyncio.sleep(1)

    run(main)
    assert log == ["dropped", *"abcdefgh"]


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def main(loop: SimLoop) -> None:
        await asyncio.sleep(1.5)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"^deadlock at 1.500000 s: nothing can wake .*main at test_sim_loop.py:"):
        run(main)


def test_a_run_that_cannot_go_on_cleans_up_behind_itself(caplog: pytest.LogCaptureFixture) -> None:
    log = []

    async def main(loop: SimLoop) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            log.append(loop.now_us())

    with pytest.raises(DeadlockError):
        run(main)
    gc.collect()
    assert log == [1_000_000]
    assert not caplog.records


def test_a_run_that_never_ends_is_an_error_in_no_time() -> None:
    async def ticking(loop: SimLoop) -> None:
        while True:  # noqa: ASYNC110  # it waits for nothing
            await asyncio.sleep(60)

    async def spinning(loop: SimLoop) -> None:
        while True:  # noqa: ASYNC110  # it waits for nothing
            await asyncio.sleep(0)

    async def forever(loop: SimLoop) -> None:
        await asyncio.sleep(math.inf)

    with pytest.raises(EndlessError, match="after 24 h of virtual time"):
        run(ticking)
    with pytest.raises(EndlessError, match=r"endless at 0.000000 s"):
        run(spinning)
    with pytest.raises(EndlessError, match="after 24 h of virtual time"):
        run(forever)


@pytest.mark.parametrize("step_us", [0, 600_000_000])
def test_no_coroutine_can_catch_the_end_of_a_run_that_never_ends_and_go_on(step_us: int) -> None:
    async def sleeping(loop: SimLoop) -> None:
        while True:
            with contextlib.suppress(Exception):
                await loop.sleep_until(loop.now_us() + step_us)

    async def settling(loop: SimLoop) -> None:
        while True:
            with contextlib.suppress(Exception):
                await loop.settle(("a", 0))
                await loop.sleep_until(loop.now_us() + step_us)

    for main in (sleeping, settling):
        with pytest.raises(EndlessError):
            run(main)


def test_what_a_coroutine_raises_comes_out() -> None:
    async def main(loop: SimLoop) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(9))
            await asyncio.sleep(1)
            raise LookupError("nothing here")

    with pytest.raises(ExceptionGroup) as raised:
        run(main)
    assert raised.group_contains(LookupError, match="nothing here")


def test_what_a_callback_raises_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def main(loop: SimLoop) -> str:
        loop.call_soon(int, "no number")
        await asyncio.sleep(1)
        return "done"

    with caplog.at_level(logging.ERROR, "mockllm.clock"):
        assert run(main) == "done"
    assert "int" in caplog.text
    assert "no number" in caplog.text


def test_an_interrupt_in_a_callback_ends_the_run_and_leaves_no_loop_behind(caplog: pytest.LogCaptureFixture) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    async def calling(loop: SimLoop) -> None:
        loop.call_later(1, interrupt)
        await asyncio.sleep(2)

    async def raising(loop: SimLoop) -> None:
        interrupt()

    for main in (calling, raising):
        with pytest.raises(KeyboardInterrupt):
            run(main)
        assert _get_running_loop() is None
    gc.collect()
    assert not caplog.records


def test_a_run_inside_another_loop_gives_that_one_back() -> None:
    async def inner() -> int:
        await asyncio.sleep(1)
        return 1

    async def outer() -> bool:
        loop = asyncio.get_running_loop()
        sim = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
        assert sim.run_until_complete(inner()) == 1
        await asyncio.sleep(0)
        return asyncio.get_running_loop() is loop

    assert asyncio.run(outer())


def test_context_variables_are_each_tasks_own() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="outer")

    async def main(loop: SimLoop) -> list[str]:
        async def child(own: str) -> str:
            before = name.get()
            name.set(own)
            await asyncio.sleep(1)
            grand = await asyncio.create_task(grandchild())
            return f"{before}>{name.get()}>{grand}"

        async def grandchild() -> str:
            seen = name.get()
            name.set("lost")
            return seen

        name.set("main")
        return [*await asyncio.gather(child("a"), child("b")), name.get()]

    assert run(main) == ["main>a>a", "main>b>b", "main"]
    assert name.get() == "outer"


def test_no_socket_and_no_thread_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the sim world is one thread without sockets")

    monkeypatch.setattr(socket, "socketpair", refuse)
    monkeypatch.setattr(socket.socket, "__init__", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    async def main(loop: SimLoop) -> int:
        await asyncio.gather(*[asyncio.sleep(n) for n in range(5)])
        return loop.now_us()

    assert run(main) == 4_000_000


def test_a_thread_is_refused_with_the_way_out() -> None:
    async def main(loop: SimLoop) -> None:
        await asyncio.to_thread(print)

    with pytest.raises(NotImplementedError, match="--world warp"):
        run(main)


def test_the_loop_is_a_clock_and_says_what_state_it_is_in() -> None:
    async def main(loop: SimLoop) -> bool:
        return loop.is_running()

    assert run(main)
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
    assert isinstance(loop, Clock)
    assert not loop.is_running()
    assert not loop.is_closed()
    loop.close()
    assert loop.is_closed()


def test_two_runs_are_one_and_the_same() -> None:
    def trace() -> list[tuple[int, str]]:
        async def main(loop: SimLoop) -> list[tuple[int, str]]:
            log = []

            async def walk(name: str, steps: Iterator[float]) -> None:
                for step in steps:
                    await asyncio.sleep(step)
                    log.append((loop.now_us(), name))

            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(walk(f"{number}", iter([0.1 * number, 0.25, 0.0, 0.5])))
            return log

        return run(main)

    assert trace() == trace()
