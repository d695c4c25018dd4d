from __future__ import annotations

import asyncio
import gc
import math
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockllm.clock import warp_loop
from mockllm.clock.instants import DeadlockError, EndlessError
from mockllm.clock.warp_loop import NoChildError, NoNetworkError, WarpLoop
from mockllm.core.clock import Clock

T = TypeVar("T")
JOB_S = 0.05


def run(main: Callable[[WarpLoop], Awaitable[T]]) -> T:
    """What `main` returns, on a loop of its own."""
    loop = WarpLoop()

    async def whole() -> T:
        return await main(loop)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(whole())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says back what it hears, a second of virtual time later, until the other end falls silent."""
    try:
        while heard := await reader.readline():
            await asyncio.sleep(1)
            writer.write(heard)
            await writer.drain()
    finally:
        writer.close()


def test_an_echo_over_a_socketpair_takes_the_virtual_second_of_the_other_end() -> None:
    async def main(loop: WarpLoop) -> list[float]:
        here, there = socket.socketpair()
        other = asyncio.create_task(echo(*await asyncio.open_connection(sock=there)))
        reader, writer = await asyncio.open_connection(sock=here)
        seen = [loop.time()]
        for _ in range(3):
            writer.write(b"x" * 30_000 + b"\n")
            assert len(await reader.readline()) == 30_001
            seen.append(loop.time())
        writer.close()
        await writer.wait_closed()
        await other
        return seen

    assert run(main) == [0.0, 1.0, 2.0, 3.0]


def test_a_thousand_exchanges_over_a_unix_socket_happen_at_one_instant(tmp_path: Path) -> None:
    async def main(loop: WarpLoop) -> int:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while heard := await reader.readline():
                writer.write(heard)
            writer.close()

        async def ask() -> None:
            reader, writer = await asyncio.open_unix_connection(path)
            for number in range(50):
                writer.write(b"%d\n" % number)
                assert await reader.readline() == b"%d\n" % number
            writer.close()
            await writer.wait_closed()

        path = str(tmp_path / "s")
        async with await asyncio.start_unix_server(answer, path):
            # A timer that is due soon is what a jump would be to.
            early = loop.call_later(0.000001, lambda: None)
            await asyncio.gather(*[ask() for _ in range(20)])
            early.cancel()
            return loop.now_us()

    assert run(main) == 0


def test_a_sleep_is_a_jump() -> None:
    async def main(loop: WarpLoop) -> int:
        await asyncio.sleep(3600)
        await loop.sleep_until(3_600_000_007)
        await loop.sleep_until(5)
        return loop.now_us()

    assert run(main) == 3_600_000_007


@settings(max_examples=40)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=20))
def test_timers_fire_by_whole_microseconds_and_ties_in_the_order_of_setting(delays: list[float]) -> None:
    async def main(loop: WarpLoop) -> list[tuple[int, int]]:
        fired: list[tuple[int, int]] = []
        for number, delay in enumerate(delays):
            loop.call_later(delay, lambda number=number: fired.append((loop.now_us(), number)))
        await asyncio.sleep(6)
        return fired

    # However short a delay, it is one.
    assert run(main) == sorted((max(round(delay * 1e6), delay > 0), number) for number, delay in enumerate(delays))


@settings(max_examples=20)
@given(st.lists(st.sampled_from([0.25, 0.5, 0.5, 0.5]), min_size=3, max_size=30), st.sets(st.integers(0, 29)))
def test_ties_keep_their_order_when_some_timers_are_cancelled(delays: list[float], dropped: set[int]) -> None:
    async def main(loop: WarpLoop) -> list[tuple[float, int]]:
        fired: list[tuple[float, int]] = []
        timers = [
            loop.call_later(delay, lambda number=number: fired.append((loop.time(), number)))
            for number, delay in enumerate(delays)
        ]
        for number in dropped & set(range(len(timers))):
            timers[number].cancel()
        await asyncio.sleep(1)
        return fired

    kept = [(delay, number) for number, delay in enumerate(delays) if number not in dropped]
    assert run(main) == sorted(kept)


@given(st.permutations(["a/1", "a/2", "b", "main/turn-0", "main/turn-10", "main/turn-2"]))
@settings(max_examples=20)
def test_those_who_settle_resume_in_the_order_of_their_names(names: list[str]) -> None:
    async def main(loop: WarpLoop) -> list[str]:
        order = []
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        _, far = await asyncio.open_connection(sock=there)

        async def settle(name: str) -> None:
            await loop.settle((name, 0))
            order.append(name)

        async def by_way_of_a_socket() -> None:
            far.write(b"\n")
            await reader.readline()
            await settle("a/0")

        await asyncio.gather(*map(settle, names), by_way_of_a_socket())
        for end in (writer, far):
            end.close()
            await end.wait_closed()
        return order

    assert run(main) == sorted([*names, "a/0"])


def test_no_time_passes_while_a_job_works() -> None:
    async def main(loop: WarpLoop) -> list[tuple[str, int]]:
        log: list[tuple[str, int]] = []
        loop.call_later(1, lambda: log.append(("timer", loop.now_us())))
        await loop.run_in_executor(None, time.sleep, JOB_S)
        log.append(("executor", loop.now_us()))
        await asyncio.to_thread(time.sleep, JOB_S)
        log.append(("to_thread", loop.now_us()))
        await asyncio.sleep(2)
        return log

    assert run(main) == [("executor", 0), ("to_thread", 0), ("timer", 1_000_000)]


def test_results_arrive_in_the_order_of_handing_in_whichever_job_is_done_first() -> None:
    async def main(loop: WarpLoop) -> list[int]:
        log: list[int] = []
        last = threading.Event()

        def job(number: int) -> int:
            # The one handed in first cannot end before the last one has.
            if number == 0:
                assert last.wait(60)
            elif number == 4:
                last.set()
            return number

        async def note(number: int) -> None:
            log.append(await loop.run_in_executor(None, job, number))

        await asyncio.gather(*map(note, range(5)))
        return log

    assert run(main) == [0, 1, 2, 3, 4]


def test_a_job_may_call_back_while_it_works() -> None:
    async def main(loop: WarpLoop) -> tuple[str, int]:
        called = asyncio.Event()
        answered = threading.Event()

        async def ask() -> str:
            return "from the loop"

        def job() -> str:
            loop.call_soon_threadsafe(called.set)
            assert answered.wait(60)
            return asyncio.run_coroutine_threadsafe(ask(), loop).result(60)

        working = loop.run_in_executor(None, job)
        await called.wait()
        answered.set()
        return await working, loop.now_us()

    assert run(main) == ("from the loop", 0)


def test_what_a_job_raises_comes_out() -> None:
    async def main(loop: WarpLoop) -> list[str]:
        seen = []
        for raised in (LookupError("no such thing"), StopIteration("over")):

            def fail(error: Exception = raised) -> None:
                raise error

            try:
                await asyncio.to_thread(fail)
            except (LookupError, RuntimeError) as error:
                seen.append(repr(error))
        return seen

    assert run(main) == ["LookupError('no such thing')", "RuntimeError('a job raised StopIteration')"]


def test_a_job_that_nobody_waits_for_any_more_is_still_waited_for_by_time() -> None:
    async def main(loop: WarpLoop) -> tuple[bool, int]:
        done = threading.Event()

        def job() -> None:
            time.sleep(JOB_S)
            done.set()

        waiting = asyncio.create_task(asyncio.to_thread(job))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(1)
        return done.is_set(), loop.now_us()

    assert run(main) == (True, 1_000_000)


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def main(loop: WarpLoop) -> None:
        await asyncio.sleep(1.5)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"^deadlock at 1.500000 s: nothing can wake .*main at test_warp_loop.py:"):
        run(main)


def test_a_read_that_nobody_answers_is_a_deadlock() -> None:
    async def main(loop: WarpLoop) -> None:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        try:
            await reader.readline()
        finally:
            writer.close()
            there.close()

    with pytest.raises(DeadlockError, match=r"at 0.000000 s"):
        run(main)


def test_a_run_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ticking(loop: WarpLoop) -> None:
        while True:  # noqa: ASYNC110  # it waits for nothing
            await asyncio.sleep(60)

    async def spinning(loop: WarpLoop) -> None:
        while True:  # noqa: ASYNC110  # it waits for nothing
            await asyncio.sleep(0)

    async def forever(loop: WarpLoop) -> None:
        await asyncio.sleep(math.inf)

    with pytest.raises(EndlessError, match="after 24 h of virtual time"):
        run(ticking)
    with pytest.raises(EndlessError, match="after 24 h of virtual time"):
        run(forever)
    monkeypatch.setattr("mockllm.clock.warp_loop.MOST_CALLBACKS_PER_INSTANT", 1000)
    with pytest.raises(EndlessError, match=r"endless at 0.000000 s"):
        run(spinning)


def test_fifty_runs_leave_no_file_open(tmp_path: Path) -> None:
    def once(number: int) -> None:
        async def main(loop: WarpLoop) -> None:
            path = str(tmp_path / str(number))
            async with await asyncio.start_unix_server(echo, path):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(b"\n")
                await reader.readline()
                await asyncio.to_thread(int)
                writer.close()
                await writer.wait_closed()

        run(main)

    once(-1)
    gc.collect()
    before = open_files()
    for number in range(50):
        once(number)
    gc.collect()  # what was not closed would be a ResourceWarning here, and warnings are errors
    assert open_files() == before


def open_files() -> list[str]:
    """What every descriptor of this process leads to, pipes and sockets by kind alone."""
    kinds = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            kinds.append(str(link.readlink()).split(":")[0])
        except FileNotFoundError:
            continue
    return sorted(kinds)


def test_the_loop_is_a_clock() -> None:
    async def main(loop: WarpLoop) -> list[Any]:
        return [isinstance(loop, Clock), loop.now_us(), loop.time()]

    assert run(main) == [True, 0, 0.0]


def test_no_name_is_resolved_in_virtual_time() -> None:
    async def ask() -> None:
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    with asyncio.Runner(loop_factory=WarpLoop) as runner, pytest.raises(NoNetworkError, match="has no network"):
        runner.run(ask())


def test_an_address_in_digits_is_not_reached_in_virtual_time_either() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def ask() -> None:
            await asyncio.open_connection(*server.getsockname())

        with asyncio.Runner(loop_factory=WarpLoop) as runner, pytest.raises(NoNetworkError, match="has no network"):
            runner.run(ask())


@pytest.mark.parametrize("start", [asyncio.create_subprocess_exec, asyncio.create_subprocess_shell])
def test_no_process_is_started_that_time_would_not_wait_for(start: Callable[[str], Any]) -> None:
    with asyncio.Runner(loop_factory=WarpLoop) as runner, pytest.raises(NoChildError, match="to_thread with"):
        runner.run(start("true"))


@pytest.mark.parametrize("late_by_s", [0, 1])
def test_a_timer_set_for_the_past_has_its_turn_after_those_of_now(late_by_s: float) -> None:
    async def main(loop: WarpLoop) -> list[str]:
        await asyncio.sleep(2)
        fired: list[str] = []
        loop.call_at(loop.time(), fired.append, "now")
        loop.call_at(loop.time() - late_by_s, fired.append, "past")
        await asyncio.sleep(1)
        return fired

    assert run(main) == ["now", "past"]


def test_a_job_that_waits_for_a_later_one_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warp_loop, "_JOB_PATIENCE", 3)
    opened = threading.Event()

    async def both() -> list[str]:
        loop = asyncio.get_running_loop()
        first = loop.run_in_executor(None, lambda: opened.wait(20) and "first")
        await loop.run_in_executor(None, lambda: None)
        opened.set()  # reached only once the second job's result is here
        return [str(await first)]

    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        assert runner.run(both()) == ["first"]
