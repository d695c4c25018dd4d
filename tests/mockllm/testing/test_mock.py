from __future__ import annotations

from typing import Any

import anthropic
import pytest
from profiles_for_tests import make_profile

from mockllm.core.expectations import ExpectationError
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


def said(mock: VirtualMock, question: str = "Is it late?") -> str:
    """What the model answers in text."""

    async def talk() -> Any:
        async with anthropic.AsyncAnthropic(base_url=mock.base_url, api_key="x", max_retries=0) as client:
            return await client.messages.create(**{**QUESTION, "messages": [{"role": "user", "content": question}]})

    text: str = mock.run(talk).content[0].text
    return text


def test_what_is_expected_is_said_as_often_as_it_was_asked_for() -> None:
    with VirtualMock(make_profile()) as mock:
        mock.expect("Good morning.", match={"last_user": "Hello"}, times=2)
        mock.expect({"text": "In order."})
        assert [said(mock, "Hello") for _ in range(2)] == ["Good morning."] * 2
        assert [left["reply"] for left in mock.remaining] == [{"text": "In order."}]
        assert said(mock, "Hello") == "In order."
        assert mock.remaining == []
        assert said(mock, "Hello") not in ("Good morning.", "In order.")


def test_an_error_can_be_expected_and_a_reset_forgets_what_was() -> None:
    with VirtualMock(make_profile()) as mock:
        mock.expect(error={"status": 429, "retry_after": 3})
        mock.expect("Never said.")
        with pytest.raises(anthropic.RateLimitError):
            said(mock)
        mock.reset()
        assert mock.remaining == []
        assert said(mock) != "Never said."


def test_an_expectation_that_cannot_be_read_is_an_error_of_the_test() -> None:
    with VirtualMock(make_profile()) as mock:
        with pytest.raises(ExpectationError, match="there is no such field"):
            mock.expect("Hello", tiems=2)
        with pytest.raises(ExpectationError, match="give a reply"):
            mock.expect()


def test_any_model_is_answered_unless_the_test_wants_the_profile_s_alone() -> None:
    async def another(mock: VirtualMock) -> str:
        async with anthropic.AsyncAnthropic(base_url=mock.base_url, api_key="x") as client:
            return str((await client.messages.create(**{**QUESTION, "model": "another-model"})).model)

    with VirtualMock(make_profile()) as mock:
        assert mock.run(another(mock)) == "another-model"
    with VirtualMock(make_profile(), any_model=False) as mock, pytest.raises(anthropic.NotFoundError):
        mock.run(another(mock))


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
