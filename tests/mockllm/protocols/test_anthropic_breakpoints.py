from __future__ import annotations

import pytest

from mockllm.core.request import FIVE_MINUTES_US, ONE_HOUR_US, Block, Breakpoint
from mockllm.protocols.anthropic_breakpoints import Mark, breakpoints
from mockllm.protocols.anthropic_errors import ApiError

FIVE = [Block("messages", 10, "text", "user", str(number), 10) for number in range(5)]
EMPTY_END = [*FIVE, Block("messages", 0, "text", "user", "", 0, eligible=False)]


def mark(index: int, ttl: str = "5m") -> Mark:
    return Mark(index, ttl, f"messages.0.content.{index}.cache_control")


def test_explicit_marks_become_breakpoints_in_their_order() -> None:
    assert breakpoints([mark(0, "1h"), mark(3)], None, FIVE, 4) == (
        Breakpoint(0, ONE_HOUR_US),
        Breakpoint(3, FIVE_MINUTES_US),
    )


def test_automatic_caching_takes_the_last_eligible_block() -> None:
    assert breakpoints([], "5m", FIVE, 4) == (Breakpoint(4, FIVE_MINUTES_US),)
    assert breakpoints([mark(1)], "5m", EMPTY_END, 4) == (
        Breakpoint(1, FIVE_MINUTES_US),
        Breakpoint(4, FIVE_MINUTES_US),
    )


def test_automatic_caching_of_a_prompt_without_an_eligible_block_marks_nothing() -> None:
    assert breakpoints([], "5m", EMPTY_END[-1:], 4) == ()
    assert breakpoints([], "1h", [], 4) == ()


def test_a_last_block_marked_already_with_the_same_ttl_takes_no_further_slot() -> None:
    marks = [mark(0), mark(1), mark(2), mark(4)]
    assert breakpoints(marks, "5m", FIVE, 4) == breakpoints(marks, None, FIVE, 4)


@pytest.mark.parametrize(
    ("marks", "automatic", "message"),
    [
        ([mark(n) for n in range(5)], None, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        ([mark(n) for n in range(4)], "5m", "one of the 4 slots"),
        ([mark(4)], "1h", "does not agree with the ttl='5m'"),
        ([mark(1), mark(3, "1h")], None, "messages.0.content.3.cache_control.ttl: a ttl='1h'"),
        ([mark(1)], "1h", "cache_control.ttl: a ttl='1h'"),
    ],
)
def test_marks_that_the_api_refuses_are_refused(marks: list[Mark], automatic: str | None, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        breakpoints(marks, automatic, FIVE, 4)
    assert caught.value.status == 400
    assert message in caught.value.message
