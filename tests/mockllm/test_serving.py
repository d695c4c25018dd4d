from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any

import httpx2
import pytest
from profiles_for_tests import make_profile

from mockllm.core.profile import Profile
from mockllm.serving import AddressError, Serving, check_host, serve

ASKED = {"model": "test-model", "max_tokens": 3, "messages": [{"role": "user", "content": "Is it late?"}]}
HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_s_own_addresses_are_served(host: str) -> None:
    assert check_host(host, allow_remote=False) == host


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com", ""])
def test_what_others_can_reach_needs_to_be_asked_for(host: str) -> None:
    with pytest.raises(AddressError, match="--allow-remote"):
        check_host(host, allow_remote=False)
    assert check_host(host, allow_remote=True) == host


def quick_profile() -> Profile:
    """A few milliseconds an answer, since this clock is real."""
    return make_profile(
        intercept_s=0.002, uncached_s_per_1k=0.0, spike=None, tokens_per_s=1e4, setup_s=0.001, setup_sigma=0.0
    )


async def served(stop: signal.Signals, *, host: str = "127.0.0.1", seed: int = 1) -> tuple[str, list[Any]]:
    """The URL at which a server came up, and two answers of its; it is stopped by a signal."""
    up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(Serving(quick_profile(), host, seed=seed), ready=up.set_result))
    url = await up
    async with httpx2.AsyncClient(base_url=url) as client:
        answers = [(await client.post("/v1/messages", json=ASKED, headers=HEADERS)).json() for _ in range(2)]
    os.kill(os.getpid(), stop)
    await serving
    return url, answers


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_in_real_time_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    url, answers = asyncio.run(served(stop))
    assert url.startswith("http://127.0.0.1:")
    assert [answer["usage"]["output_tokens"] for answer in answers] == [3, 3]
    assert answers[0]["id"] != answers[1]["id"]


def test_the_same_seed_serves_the_same_answers() -> None:
    first, second = (asyncio.run(served(signal.SIGINT, seed=7))[1] for _ in range(2))
    assert first == second


def test_a_stop_does_not_wait_for_answers_that_are_on_their_way() -> None:
    async def leave() -> None:
        up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        profile = make_profile(intercept_s=3600.0, spike=None)
        serving = asyncio.create_task(serve(Serving(profile), ready=up.set_result))
        async with httpx2.AsyncClient(base_url=await up, timeout=None) as client:
            asking = asyncio.create_task(client.post("/v1/messages", json=ASKED, headers=HEADERS))
            await client.get("/health")
            os.kill(os.getpid(), signal.SIGINT)
            await serving
            answer = await asking
        assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")

    asyncio.run(leave())


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError) as caught:
            asyncio.run(serve(Serving(make_profile(), port=port), ready=lambda _: None))
    assert str(caught.value).startswith(f"cannot listen on 127.0.0.1 port {port}: ")
    assert "\n" not in str(caught.value)
