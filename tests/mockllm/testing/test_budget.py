from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.usage import Usage
from mockllm.testing.budget import Budget, Spent, overrun, spent
from mockllm.testing.recorded import RecordedRequest


def request(**fields: Any) -> RecordedRequest:
    """A request that was answered in two seconds, unless `fields` say otherwise."""
    plain: dict[str, Any] = {
        "endpoint": "messages",
        "call": "main/turn-1",
        "attempt": 0,
        "model": "test-model",
        "stream": True,
        "body": {},
        "status": 200,
        "fault": None,
        "error": None,
        "usage": Usage(100, 300, 50, 50, 20),
        "cost_usd": 0.001,
        "arrived_s": 0.0,
        "ttft_s": 0.5,
        "total_s": 2.0,
        "planned_ttft_s": 0.5,
        "planned_total_s": 2.0,
    }
    return RecordedRequest(**{**plain, **fields})


REFUSED = request(
    status=529, fault="overloaded", usage=None, cost_usd=0.0, ttft_s=None, total_s=None, call="main/turn-2"
)
TWO = [request(arrived_s=1.0), request(arrived_s=4.1, ttft_s=0.75, total_s=2.5, attempt=1)]


def test_times_span_all_requests_and_tokens_are_summed() -> None:
    assert spent(TWO) == Spent(5.6, 0.75, 0.6, 2, 0.002, 40)


def test_a_refused_attempt_is_a_call_that_cost_nothing() -> None:
    sums = spent([*TWO, REFUSED])
    assert (sums.calls, sums.cost_usd, sums.output_tokens, sums.cache_hit_rate) == (3, 0.002, 40, 0.6)


@pytest.mark.parametrize(
    ("kept", "broken", "says"),
    [
        ({"total_s": 5.6}, {"total_s": 5.599}, "total_s is 5.6, at most 5.599 was asked for"),
        ({"ttft_s": 0.75}, {"ttft_s": 0.7}, "ttft_s is 0.75, at most 0.7 was asked for"),
        ({"cache_hit_rate": 0.6}, {"cache_hit_rate": 0.61}, "cache_hit_rate is 0.6, at least 0.61 was asked for"),
        ({"calls": 2}, {"calls": 1}, "calls is 2, at most 1 was asked for"),
        ({"cost_usd": 0.002}, {"cost_usd": 0.0019}, "cost_usd is 0.002, at most 0.0019 was asked for"),
        ({"output_tokens": 40}, {"output_tokens": 0}, "output_tokens is 40, at most 0 was asked for"),
    ],
)
def test_a_limit_is_kept_up_to_its_very_value(kept: dict[str, Any], broken: dict[str, Any], says: str) -> None:
    assert overrun(TWO, Budget(**kept)) is None
    text = overrun(TWO, Budget(**kept) if not broken else Budget(**broken))
    assert text is not None
    assert text.splitlines()[:2] == ["over the budget:", f"  {says}"]


def test_every_broken_limit_is_named_and_every_call_has_its_row() -> None:
    text = overrun([*TWO, REFUSED], Budget(total_s=1, calls=2, output_tokens=100))
    assert text == (
        "over the budget:\n"
        "  total_s is 6.6, at most 1 was asked for\n"
        "  calls is 3, at most 2 was asked for\n"
        "  #  call                   status  ttft_s  total_s  input  read  written  output  cost_usd\n"
        "  1  main/turn-1               200     0.5        2    100   300      100      20     0.001\n"
        "  2  main/turn-1#1             200    0.75      2.5    100   300      100      20     0.001\n"
        "  3  main/turn-2    529 overloaded       -        -      -     -        -       -         0"
    )


def test_a_long_name_is_cut_and_a_long_table_too() -> None:
    many = [request(call="content:" + "a" * 64)] * 42
    lines = (overrun(many, Budget(calls=1)) or "").splitlines()
    assert len(lines) == 2 + 1 + 40 + 1
    assert lines[-1] == "  and 2 more"
    assert "…" in lines[3]
    assert max(map(len, lines)) < 120


def test_a_budget_for_no_request_at_all_is_kept_where_none_was_expected_alone() -> None:
    assert "no request reached the mock" in (overrun([], Budget(total_s=10)) or "")
    assert overrun([], Budget(calls=0)) is None
    assert overrun(TWO, Budget(calls=0)) is not None


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=5))
def test_whole_microseconds_stay_whole_when_they_are_spanned(times: list[tuple[int, int]]) -> None:
    requests = [request(arrived_s=start / 1e6, total_s=length / 1e6) for start, length in times]
    whole = max(start + length for start, length in times) - min(start for start, _ in times)
    assert spent(requests).total_s == whole / 1e6
    assert overrun(requests, Budget(total_s=whole / 1e6)) is None
