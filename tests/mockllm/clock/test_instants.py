from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.clock.instants import (
    MOST_VIRTUAL_US,
    Gate,
    RealClock,
    due_us,
    endless_instant,
    endless_time,
    finish,
    waiting_tasks,
)
from mockllm.clock.sim_loop import SimLoop
from mockllm.clock.warp_loop import WarpLoop
from mockllm.core.clock import Clock, Key


class Woken(asyncio.Future[None]):
    """A future that says when it was done, with no loop to run."""

    def __init__(self, loop: asyncio.AbstractEventLoop, key: Key, order: list[Key]) -> None:
        super().__init__(loop=loop)
        self.key = key
        self.order = order

    def set_result(self, result: None) -> None:
        super().set_result(result)
        self.order.append(self.key)


keys = st.tuples(st.text("ab/-1", min_size=1, max_size=4), st.integers(0, 3))


@given(st.lists(keys, unique=True).flatmap(st.permutations))
def test_a_gate_wakes_in_the_order_of_keys_whoever_came_first(arrivals: list[Key]) -> None:
    loop = SimLoop()
    gate, woken = Gate(), list[Key]()
    for key in arrivals:
        gate.wait(key, Woken(loop, key, woken))
    gate.open()
    assert woken == sorted(arrivals)
    assert not gate


def test_equal_keys_wake_in_the_order_of_arrival_and_those_who_left_stay_asleep() -> None:
    loop = SimLoop()
    gate, woken = Gate(), list[Key]()
    waiting = [gate.wait(("a", 0), Woken(loop, ("a", number), woken)) for number in range(3)]
    assert gate
    waiting[1].cancel()
    gate.open()
    assert woken == [("a", 0), ("a", 2)]


def test_a_gate_that_was_opened_lets_nobody_through_who_comes_later() -> None:
    loop = SimLoop()
    gate = Gate()
    gate.open()
    late = gate.wait(("a", 0), loop.create_future())
    assert not late.done()


@pytest.mark.parametrize(
    ("when_s", "at_us"), [(0.0, 0), (1.0000004, 1_000_000), (1.0000006, 1_000_001), (0.1 + 0.2, 300_000)]
)
def test_a_loops_time_is_a_whole_microsecond(when_s: float, at_us: int) -> None:
    assert due_us(when_s, 0) == at_us


def test_what_is_never_due_lies_past_every_run() -> None:
    assert due_us(math.inf, 0) > MOST_VIRTUAL_US


@pytest.mark.parametrize(
    ("when_s", "at_us"), [(1.0, 2_000_000), (2.0, 2_000_000), (2.0000001, 2_000_001), (2.0000014, 2_000_001)]
)
def test_a_time_is_due_from_now_on_and_a_later_one_never_now(when_s: float, at_us: int) -> None:
    assert due_us(when_s, 2_000_000) == at_us


def test_virtual_loops_are_clocks_themselves() -> None:
    for loop in (SimLoop(), WarpLoop()):
        assert isinstance(loop, Clock)
        loop.close()


def test_a_real_clock_counts_from_its_beginning_and_sleeps_to_a_deadline() -> None:
    async def run() -> tuple[int, int, int]:
        clock = RealClock(asyncio.get_running_loop())
        begun = clock.now_us()
        await clock.sleep_until(begun - 5)
        await clock.settle(("a", 0))
        due = begun + 2_000
        await clock.sleep_until(due)
        return begun, due, clock.now_us()

    begun, due, ended = asyncio.run(run())
    assert 0 <= begun < due <= ended + 1  # the loop's own resolution is finer than a microsecond's rounding


def test_to_finish_what_is_done_or_cancelled_does_nothing() -> None:
    loop = SimLoop()
    done, cancelled = loop.create_future(), loop.create_future()
    done.set_result(None)
    cancelled.cancel()
    for future in (done, cancelled):
        finish(future)
    assert cancelled.cancelled()


def test_waiting_tasks_are_named_with_the_line_at_which_they_wait() -> None:
    async def patient() -> None:
        await asyncio.Event().wait()

    async def run() -> str:
        task = asyncio.create_task(patient())
        await asyncio.sleep(0)
        named = waiting_tasks(asyncio.get_running_loop())
        task.cancel()
        return named

    named = asyncio.run(run())
    assert "patient at " in named
    assert ".py:" in named
    loop = SimLoop()
    assert waiting_tasks(loop) == "no task at all"


def test_errors_say_where_and_how_to_mend_it() -> None:
    assert str(endless_instant(1_500_000)).startswith("endless at 1.500000 s: ")
    assert "24 h" in str(endless_time(90_000e6))
    assert "90000 s" in str(endless_time(90_000e6))


def test_a_clock_that_runs_faster_counts_more_and_waits_less() -> None:
    loop = SimLoop()

    async def wait() -> tuple[int, float]:
        clock = RealClock(loop, speed=20.0)
        await clock.sleep_until(300_000_000)
        return clock.now_us(), loop.time()

    assert loop.run_until_complete(wait()) == (300_000_000, 15.0)
    loop.close()
