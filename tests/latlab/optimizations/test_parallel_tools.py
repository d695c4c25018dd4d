from __future__ import annotations

import asyncio

import pytest

from latlab.conversation import ToolResult
from latlab.optimizations.parallel_tools import TOGGLE, at_once, in_turn
from latlab.optimizations.toggle import FanOut, Job
from mockllm.clock.sim_loop import SimLoop


def run(fan_out: FanOut, delays_s: list[float], log: list[str], failing: int | None = None) -> tuple[list[str], float]:
    """The results' names and the time it took; `log` notes who started, ended and was cancelled."""

    def job(number: int) -> Job:
        async def work() -> ToolResult:
            log.append(f"start {number}")
            try:
                await asyncio.sleep(delays_s[number])
            except asyncio.CancelledError:
                log.append(f"cancelled {number}")
                raise
            if number == failing:
                raise LookupError(f"{number}")
            log.append(f"end {number}")
            return ToolResult(f"{number}", "seen")

        return work

    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here

    async def whole() -> tuple[list[str], float]:
        results = await fan_out([job(number) for number in range(len(delays_s))])
        return [result.use_id for result in results], loop.time()

    try:
        return loop.run_until_complete(whole())
    finally:
        loop.close()


def test_in_turn_is_one_after_the_other() -> None:
    log: list[str] = []
    assert run(in_turn, [0.3, 0.2, 0.1], log) == (["0", "1", "2"], pytest.approx(0.6))
    assert log == ["start 0", "end 0", "start 1", "end 1", "start 2", "end 2"]


def test_at_once_takes_as_long_as_the_longest_and_keeps_the_order_of_the_calls() -> None:
    log: list[str] = []
    assert run(at_once, [0.3, 0.2, 0.1], log) == (["0", "1", "2"], 0.3)
    assert log == ["start 0", "start 1", "start 2", "end 2", "end 1", "end 0"]


@pytest.mark.parametrize("fan_out", [in_turn, at_once])
def test_one_job_or_none_is_the_same_either_way(fan_out: FanOut) -> None:
    assert run(fan_out, [0.3], []) == (["0"], 0.3)
    assert run(fan_out, [], []) == ([], 0.0)


def test_the_first_to_fail_cancels_the_others() -> None:
    log: list[str] = []
    with pytest.raises(LookupError, match="1"):  # no group: a scenario catches the same in every arm
        run(at_once, [0.3, 0.2, 0.1], log, failing=1)
    assert log[3:] == ["end 2", "cancelled 0"]


def test_in_turn_stops_at_the_first_to_fail() -> None:
    log: list[str] = []
    with pytest.raises(LookupError, match="0"):
        run(in_turn, [0.3, 0.2], log, failing=0)
    assert log == ["start 0"]


def test_the_plain_way_is_one_after_the_other() -> None:
    assert TOGGLE.default == "false"
