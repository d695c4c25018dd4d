from __future__ import annotations

from typing import Any

import anthropic
import pytest
from profiles_for_tests import make_profile

from mockllm.core.faults import FaultError
from mockllm.testing import VirtualMock

QUESTION: Any = {"model": "test-model", "max_tokens": 50, "messages": [{"role": "user", "content": "Is it late?"}]}


async def ask(mock: VirtualMock, retries: int = 0) -> None:
    async with anthropic.AsyncAnthropic(base_url=mock.base_url, api_key="x", max_retries=retries) as client:
        await client.messages.create(**QUESTION)


def test_requests_are_recorded_in_the_order_of_their_arrival_with_what_was_sent() -> None:
    with VirtualMock(make_profile()) as mock:
        mock.run(ask(mock))
        mock.run(ask(mock))
        first, second = mock.requests
    assert first.body == second.body == QUESTION
    assert (first.endpoint, first.model, first.stream, first.status) == ("messages", "test-model", False, 200)
    assert first.arrived_s < second.arrived_s
    assert (first.call, first.attempt, second.attempt) == (second.call, 0, 1)


def test_a_request_that_was_refused_is_recorded_with_the_reason() -> None:
    async def wrong(mock: VirtualMock) -> None:
        async with anthropic.AsyncAnthropic(base_url=mock.base_url, api_key="x") as client:
            await client.messages.create(**{**QUESTION, "messages": []})

    with VirtualMock(make_profile()) as mock:
        with pytest.raises(anthropic.BadRequestError):
            mock.run(wrong(mock))
        (asked,) = mock.requests
    assert asked.status == 400
    assert "messages" in (asked.error or "")


def test_faults_hold_from_now_on_and_are_replaced_and_taken_back() -> None:
    with VirtualMock(make_profile()) as mock:
        mock.faults("overloaded", {"kind": "server_error"}, attempts=[0])
        with pytest.raises(anthropic.OverloadedError):
            mock.run(ask(mock))
        mock.faults({"kind": "rate_limit", "retry_after_s": 7})
        with pytest.raises(anthropic.RateLimitError) as refused:
            mock.run(ask(mock))
        assert refused.value.response.headers["retry-after"] == "7"
        mock.faults()
        mock.run(ask(mock))
        assert [(one.status, one.fault) for one in mock.requests] == [
            (529, "overloaded"), (429, "rate_limit"), (200, None),
        ]  # fmt: skip


def test_a_fault_that_cannot_be_read_is_an_error_of_the_test() -> None:
    with VirtualMock(make_profile()) as mock, pytest.raises(FaultError, match="kind"):
        mock.faults("overlorded")


def test_a_reset_gives_the_first_request_its_luck_once_more() -> None:
    with VirtualMock(make_profile()) as mock:
        mock.faults("overloaded", attempts=[5])
        mock.run(ask(mock))
        first = mock.requests
        mock.reset()
        assert mock.requests == []
        mock.run(ask(mock))
        assert mock.requests[0].usage == first[0].usage
        assert mock.requests[0].attempt == 0


def test_a_budget_is_held_against_what_was_recorded_exactly() -> None:
    with VirtualMock(make_profile()) as mock:
        mock.run(ask(mock))
        (asked,) = mock.requests
        assert asked.total_s is not None
        mock.assert_budget(total_s=asked.total_s, ttft_s=asked.ttft_s, calls=1, cost_usd=asked.cost_usd)
        with pytest.raises(AssertionError, match=r"^over the budget:\n  total_s is") as broken:
            mock.assert_budget(total_s=asked.total_s - 1e-6)
        assert "content:" in str(broken.value)


def test_retries_are_part_of_the_budget() -> None:
    with VirtualMock(make_profile()) as mock:
        mock.faults("overloaded", attempts=[0])
        mock.run(ask(mock, retries=1))
        with pytest.raises(AssertionError, match="calls is 2, at most 1"):
            mock.assert_budget(calls=1)


def test_a_budget_that_nobody_asked_anything_for_is_not_kept() -> None:
    with VirtualMock(make_profile()) as mock:
        with pytest.raises(AssertionError, match="no request reached the mock"):
            mock.assert_budget(total_s=1)
        mock.assert_budget(calls=0)
        with pytest.raises(TypeError, match="without a limit"):
            mock.assert_budget()
