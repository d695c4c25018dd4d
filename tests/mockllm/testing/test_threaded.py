from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import anthropic
import httpx2
import pytest
from profiles_for_tests import make_profile

from mockllm.core.profile import ProfileError
from mockllm.server.addresses import AddressError
from mockllm.server.runs import RunSpec
from mockllm.testing import Mock, MockServer
from mockllm.testing.mock import NotStartedError
from mockllm.testing.threaded import SpeedError

FAST = 1000.0
QUESTION: Any = {"model": "test-model", "max_tokens": 4000, "messages": [{"role": "user", "content": "Is it late?"}]}


def ask(mock: Mock) -> anthropic.types.Message:
    with anthropic.Anthropic(base_url=mock.base_url, api_key="x", max_retries=0) as client:
        message: anthropic.types.Message = client.messages.create(**QUESTION)
        return message


async def ask_async(mock: Mock) -> anthropic.types.Message:
    async with anthropic.AsyncAnthropic(base_url=mock.base_url, api_key="x", max_retries=0) as client:
        message: anthropic.types.Message = await client.messages.create(**QUESTION)
        return message


def test_a_blocking_client_is_answered_and_the_thread_ends_with_the_statement() -> None:
    before = threading.active_count()
    with MockServer(make_profile(), speed=FAST) as mock:
        message = ask(mock)
        (asked,) = mock.requests
        address = httpx2.URL(mock.base_url)
        assert threading.active_count() == before + 1
    assert asked.status == 200
    assert asked.usage is not None
    assert asked.usage.output_tokens == message.usage.output_tokens
    assert threading.active_count() == before
    with socket.socket() as sock:
        assert sock.connect_ex((address.host, address.port)) != 0


def test_an_asynchronous_client_is_answered_in_async_with() -> None:
    async def test() -> list[str]:
        async with MockServer(make_profile(), speed=FAST) as mock:
            messages = await asyncio.gather(ask_async(mock), ask_async(mock))
        return sorted(message.id for message in messages)

    assert len(set(asyncio.run(test()))) == 2


def test_the_answers_of_a_seed_are_those_of_virtual_time() -> None:
    from mockllm.testing import VirtualMock

    with MockServer(make_profile(), seed=3, speed=FAST) as mock:
        real = ask(mock)
    with VirtualMock(make_profile(), seed=3) as virtual:
        assert virtual.run(ask_async(virtual)) == real


def test_a_further_run_has_its_own_luck_cache_and_log() -> None:
    server = MockServer(make_profile(), speed=FAST)
    with server as default:
        one, two = server.open(RunSpec(name="one", seed=1)), server.open(RunSpec(name="two", seed=2))
        assert ask(default) == ask(one) != ask(two)
        assert [len(mock.requests) for mock in (default, one, two)] == [1, 1, 1]
        server.close("one")
        assert one.requests == []


def test_time_runs_as_many_times_faster_as_is_said() -> None:
    with MockServer(make_profile(), speed=FAST) as mock:
        ask(mock)
        (asked,) = mock.requests
        assert asked.planned_total_s is not None
        assert asked.total_s is not None
        assert asked.total_s >= asked.planned_total_s > 0.1
        assert mock.elapsed_s >= asked.total_s


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(SpeedError, match="is no number above 0"):
        MockServer(make_profile(), speed=speed)


def test_a_profile_that_does_not_exist_is_said_at_once() -> None:
    with pytest.raises(ProfileError, match="did you mean"):
        MockServer("claude-sonet-5")


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: object) -> None:
        raise OSError("no more sockets")

    monkeypatch.setattr("aiohttp.web.TCPSite.start", fails)
    before = threading.active_count()
    with pytest.raises(AddressError, match="no more sockets"), MockServer(make_profile()):
        pass
    assert threading.active_count() == before


def test_a_mock_that_is_gone_says_so() -> None:
    with MockServer() as mock:
        assert mock.requests == []
    with pytest.raises(NotStartedError, match="not running any more"):
        _ = mock.requests
