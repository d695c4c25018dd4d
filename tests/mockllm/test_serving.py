from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import pytest
from profiles_for_tests import make_profile

from mockllm.core.profile import Profile
from mockllm.server.tls import certificate
from mockllm.serving import AddressError, Serving, check_host, serve

T = TypeVar("T")
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


async def while_served(asked: Serving, talk: Callable[[str], Awaitable[T]]) -> T:
    """What `talk` returns, which is told the URL of a server that serves as `asked` and then stops."""
    up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(asked, ready=up.set_result))
    try:
        return await talk(await up)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await serving


def test_tls_is_real_and_trusted_by_its_own_authority() -> None:
    context, authority = certificate("127.0.0.1")

    async def talk(url: str) -> tuple[str, int]:
        trusting = ssl.create_default_context(cadata=authority.decode())
        async with httpx2.AsyncClient(base_url=url, verify=trusting) as client:
            status = (await client.post("/v1/messages", json=ASKED, headers=HEADERS)).status_code
        async with httpx2.AsyncClient(base_url=url) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get("/health")
        return url, status

    url, status = asyncio.run(while_served(Serving(quick_profile(), tls=context), talk))
    assert url.startswith("https://127.0.0.1:")
    assert status == 200


def test_time_runs_as_fast_as_asked_for_answers_and_for_the_life_of_a_cache_entry() -> None:
    profile = make_profile(
        intercept_s=3.0, uncached_s_per_1k=0.0, spike=None, tokens_per_s=1.0, setup_s=2.0, minimum_tokens=64
    )
    system = [{"type": "text", "text": "a" * 800, "cache_control": {"type": "ephemeral"}}]

    async def talk(url: str) -> tuple[list[int], Any]:
        reads = []
        async with httpx2.AsyncClient(base_url=url) as client:
            for wait_s in (0.0, 0.0, 400.0):
                await asyncio.sleep(wait_s / 300)
                answer = await client.post("/v1/messages", json={**ASKED, "system": system}, headers=HEADERS)
                reads.append(answer.json()["usage"]["cache_read_input_tokens"])
            return reads, (await client.get("/_mock/state")).json()

    reads, state = asyncio.run(while_served(Serving(profile, speed=300.0), talk))
    assert reads == [0, 200, 0]
    assert state["speed"] == 300.0
    assert state["time_s"] > 400


def test_every_request_is_a_line_of_json_where_that_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mockllm.requests")

    async def talk(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url) as client:
            await client.post("/_run/mine/v1/messages", json=ASKED, headers=HEADERS)

    asyncio.run(while_served(Serving(quick_profile()), talk))
    (line,) = [json.loads(record.getMessage()) for record in caplog.records if record.name == "mockllm.requests"]
    assert (line["run"], line["status"], line["usage"]["output_tokens"]) == ("mine", 200, 3)


def test_a_run_of_its_own_has_the_luck_that_it_was_opened_with() -> None:
    async def talk(url: str) -> list[Any]:
        async with httpx2.AsyncClient(base_url=url) as client:
            plans = []
            for run in (0, 1, 0):
                await client.post("/_mock/runs", json={"name": "mine", "seed": 5, "run": run})
                await client.post("/_run/mine/v1/messages", json=ASKED, headers=HEADERS)
                entry = (await client.get("/_run/mine/_mock/requests")).json()["requests"][0]
                plans.append(entry["planned"]["first_s"] - entry["admitted_s"])
            return plans

    first, other, again = asyncio.run(while_served(Serving(quick_profile()), talk))
    assert first == pytest.approx(again, abs=1e-9)
    assert first != pytest.approx(other, abs=1e-9)


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError) as caught:
            asyncio.run(serve(Serving(make_profile(), port=port), ready=lambda _: None))
    assert str(caught.value).startswith(f"cannot listen on 127.0.0.1 port {port}: ")
    assert "\n" not in str(caught.value)
