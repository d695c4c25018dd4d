"""The mock in virtual time, through the clients that a test builds for itself."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import httpx
import httpx2
import openai
import pytest
from profiles_for_tests import make_profile

from mockllm.clock.instants import DeadlockError, EndlessError
from mockllm.core.profile import ProfileError
from mockllm.testing import VirtualMock
from mockllm.testing.mock import NotStartedError
from mockllm.testing.virtual import SocketError

AGENT = Path(__file__).with_name("agent_for_tests.py")
QUESTION: Any = {
    "model": "test-model",
    "max_tokens": 500,
    "stream": True,
    "messages": [{"role": "user", "content": "Is it late?"}],
}
STEADY = make_profile(sigma=0.0, probability=0.0, setup_sigma=0.0, setup_s=0.25)
"""A profile that draws nothing, so that connections can be counted by their cost."""

HEADERS = {"x-api-key": "x", "anthropic-version": "2023-06-01"}
Seen = list[tuple[bytes, float]]


def now() -> float:
    return asyncio.get_running_loop().time()


async def by_httpx(base_url: str) -> Seen:
    async with (
        httpx.AsyncClient(base_url=base_url, headers=HEADERS) as client,
        client.stream("POST", "/v1/messages", json=QUESTION) as response,
    ):
        return [(chunk, now()) async for chunk in response.aiter_raw()]


async def by_httpx2(base_url: str) -> Seen:
    async with (
        httpx2.AsyncClient(base_url=base_url, headers=HEADERS) as client,
        client.stream("POST", "/v1/messages", json=QUESTION) as response,
    ):
        return [(chunk, now()) async for chunk in response.aiter_raw()]


async def by_aiohttp(base_url: str) -> Seen:
    async with (
        aiohttp.ClientSession(base_url, headers=HEADERS) as client,
        client.post("/v1/messages", json=QUESTION) as response,
    ):
        return [(chunk, now()) async for chunk in response.content.iter_any()]


def spoken(ask: Callable[[str], Awaitable[Any]], **options: Any) -> Any:
    with VirtualMock(make_profile(), **options) as mock:
        return mock.run(ask(mock.base_url))


def ten_turns() -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("agent_for_tests", AGENT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ten_turns


def test_an_agent_of_ten_streamed_turns_sees_the_same_at_the_same_times_run_after_run() -> None:
    agent = ten_turns()
    runs = []
    for _ in range(2):
        with VirtualMock("claude-sonnet-5") as mock:
            runs.append(mock.run(agent(mock.base_url)))
            assert mock.elapsed_s > 30
            assert len(mock.requests) == 10
            assert {one.status for one in mock.requests} == {200}
    assert runs[0] == runs[1]
    assert sum(kind == "message_stop" for kind, _ in runs[0]) == 10
    assert sum(kind == "input_json" for kind, _ in runs[0]) > 0
    environment = {**os.environ, "PYTHONHASHSEED": "17"}
    other = subprocess.run([sys.executable, AGENT], env=environment, capture_output=True, text=True, check=True)
    assert [tuple(seen) for seen in json.loads(other.stdout)] == runs[0]


@pytest.mark.parametrize("client", [by_httpx, by_httpx2, by_aiohttp])
def test_whichever_client_asks_every_byte_comes_when_it_is_planned(client: Callable[[str], Awaitable[Seen]]) -> None:
    with VirtualMock(make_profile()) as mock:
        seen = mock.run(client(mock.base_url))
        (asked,) = mock.requests
    assert seen[0][1] == asked.planned_ttft_s
    assert seen[-1][1] == asked.planned_total_s
    assert seen == spoken(client)
    assert seen != spoken(client, seed=2)
    assert b"".join(chunk for chunk, _ in seen).endswith(b'{"type":"message_stop"}\n\n')


def test_clients_are_answered_alike() -> None:
    answers = [spoken(client) for client in (by_httpx, by_httpx2, by_aiohttp)]
    assert answers[0] == answers[1] == answers[2]


def test_a_stream_of_the_openai_sdk_comes_when_it_is_planned() -> None:
    async def chat(base_url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=f"{base_url}/v1", api_key="x") as client:
            stream = await client.chat.completions.create(
                model="gpt-5.5", messages=[{"role": "user", "content": "Is it late?"}], stream=True
            )
            return [(chunk.id, now()) async for chunk in stream]

    with VirtualMock(make_profile()) as mock:
        seen = mock.run(chat(mock.base_url))
        (asked,) = mock.requests
    assert (seen[0][1], seen[-1][1]) == (asked.planned_ttft_s, asked.planned_total_s)
    assert seen == spoken(chat)


@pytest.mark.parametrize(
    ("limits", "opened"), [(anthropic.DEFAULT_CONNECTION_LIMITS, 2), (httpx2.Limits(keepalive_expiry=60), 1)]
)
def test_each_connection_is_paid_for_and_idle_ones_expire_by_the_clients_own_rule(
    limits: httpx2.Limits, opened: int
) -> None:
    async def agent(base_url: str) -> None:
        http = anthropic.DefaultAsyncHttpxClient(limits=limits)
        async with anthropic.AsyncAnthropic(base_url=base_url, api_key="x", http_client=http) as client:
            for pause_s in (1, 10, 0):
                await client.messages.create(**{**QUESTION, "stream": False})
                await asyncio.sleep(pause_s)

    took = []
    for connection_setup in (True, False):
        with VirtualMock(STEADY, connection_setup=connection_setup) as mock:
            mock.run(agent(mock.base_url))
            took.append(mock.elapsed_s)
    assert took[0] - took[1] == pytest.approx(0.25 * opened)


def test_an_idle_connection_of_aiohttp_expires_too() -> None:
    async def agent(base_url: str) -> None:
        async with aiohttp.ClientSession(base_url, headers=HEADERS) as client:
            for pause_s in (10, 20, 0):  # aiohttp keeps a connection for 15 s
                async with client.post("/v1/messages", json=QUESTION) as response:
                    await response.read()
                await asyncio.sleep(pause_s)

    took = []
    for connection_setup in (True, False):
        with VirtualMock(STEADY, connection_setup=connection_setup) as mock:
            mock.run(agent(mock.base_url))
            took.append(mock.elapsed_s)
    assert took[0] - took[1] == pytest.approx(0.25 * 2)


def test_retries_wait_as_long_in_every_run() -> None:
    async def agent(base_url: str) -> float:
        async with anthropic.AsyncAnthropic(base_url=base_url, api_key="x") as client:
            await client.messages.create(**{**QUESTION, "stream": False})
        return now()

    ended = []
    for _ in range(2):
        with VirtualMock(STEADY) as mock:
            mock.faults("overloaded", attempts=[0, 1])
            ended.append(mock.run(agent(mock.base_url)))
            assert [one.status for one in mock.requests] == [529, 529, 200]
            assert [one.attempt for one in mock.requests] == [0, 1, 2]
    assert ended[0] == ended[1]


def test_runs_of_one_mock_share_its_clock_its_cache_and_its_log() -> None:
    cached = {"type": "text", "text": "Remember this. " * 1000, "cache_control": {"type": "ephemeral"}}

    async def ask(base_url: str) -> None:
        async with anthropic.AsyncAnthropic(base_url=base_url, api_key="x") as client:
            await client.messages.create(
                model="test-model", max_tokens=50, system=[cached], messages=[{"role": "user", "content": "Well?"}]
            )

    with VirtualMock(make_profile()) as mock:
        mock.run(ask(mock.base_url))
        mock.run(lambda: asyncio.sleep(60))
        between = mock.elapsed_s
        mock.run(ask(mock.base_url))
        first, second = mock.requests
        assert (first.arrived_s, second.arrived_s) == (0.0, between)
        assert first.usage is not None
        assert second.usage is not None
        assert second.usage.read_tokens == first.usage.write_5m_tokens > 1024
        mock.reset()
        assert mock.requests == []
        mock.run(ask(mock.base_url))
        assert mock.requests[0].usage == first.usage


def test_an_async_function_or_what_one_returned_can_be_run_and_what_it_raises_is_raised() -> None:
    async def fails() -> None:
        await asyncio.sleep(3)
        raise LookupError("the agent has a bug")

    with VirtualMock(make_profile()) as mock:
        assert mock.run(lambda: asyncio.sleep(1, "slept")) == "slept"
        assert mock.run(asyncio.sleep(1, "slept")) == "slept"
        with pytest.raises(LookupError, match="has a bug"):
            mock.run(fails)
        assert mock.elapsed_s == 5


def test_a_run_that_cannot_end_is_an_error_and_a_mock_that_was_waited_for_in_vain_still_answers() -> None:
    ended = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(now())

    with VirtualMock(make_profile()) as mock:
        with pytest.raises(DeadlockError, match=r"nothing can wake .*waits"):
            mock.run(waits)
        assert ended == [0.0]
        assert mock.run(by_httpx(mock.base_url))
        with pytest.raises(EndlessError):
            mock.run(lambda: asyncio.sleep(1e6))


def test_what_an_agent_leaves_behind_is_ended_with_the_mock_and_without_a_word() -> None:
    ended = []

    async def tick() -> None:
        try:
            for _ in range(3600):
                await asyncio.sleep(1)
        finally:
            ended.append(now())

    async def careless(base_url: str) -> Any:
        client = anthropic.AsyncAnthropic(base_url=base_url, api_key="x")  # and is never closed
        await client.messages.create(**{**QUESTION, "stream": False})
        return client, asyncio.create_task(tick())

    with VirtualMock(make_profile()) as mock:
        client, task = mock.run(careless(mock.base_url))
        until = mock.elapsed_s
    assert ended == [until]
    assert task.cancelled()
    del client, task
    gc.collect()  # a connection that was left open would be told of here, as an error


def test_a_client_that_blocks_finds_nobody_there() -> None:
    with VirtualMock(make_profile()) as mock, pytest.raises(httpx.ConnectError):
        httpx.get(mock.base_url, trust_env=False)


def test_other_hosts_are_not_reached_and_the_mock_is_named() -> None:
    async def elsewhere() -> None:
        async with anthropic.AsyncAnthropic(api_key="x", base_url="http://192.0.2.1", max_retries=0) as client:
            await client.messages.create(**QUESTION)

    with VirtualMock(make_profile()) as mock, pytest.raises(anthropic.APIConnectionError) as failed:
        mock.run(elsewhere)
    causes = []
    error: BaseException | None = failed.value
    while error is not None:
        causes.append(str(error))
        error = error.__cause__ or error.__context__
    assert any("give your client the base URL of the mock" in cause for cause in causes)


def test_random_is_an_agents_own_and_given_back() -> None:
    async def draws() -> float:
        return random.random()

    random.seed(5)
    drawn = []
    for seed in (1, 1, 2):
        with VirtualMock(make_profile(), seed=seed) as mock:
            drawn.append((mock.run(draws), mock.run(draws)))
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] != drawn[0][1]
    assert random.random() == random.Random(5).random()


def test_a_mock_is_there_inside_its_with_statement_alone() -> None:
    mock = VirtualMock(make_profile())
    for _ in range(2):
        with mock:
            assert mock.run(lambda: asyncio.sleep(1, "ran")) == "ran"
        for ask in (lambda: mock.base_url, lambda: mock.requests, lambda: mock.run(lambda: asyncio.sleep(1))):
            with pytest.raises(NotStartedError, match="inside its `with` statement"):
                ask()


def test_a_profile_that_does_not_exist_is_said_at_once() -> None:
    with pytest.raises(ProfileError, match="did you mean"):
        VirtualMock("claude-sonet-5")


def test_where_no_socket_can_be_made_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(SocketError, match="set TMPDIR to a short, writable folder"), VirtualMock(make_profile()):
        pass
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(SocketError, match="set TMPDIR to a writable one"), VirtualMock(make_profile()):
        pass
