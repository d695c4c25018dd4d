"""Recorded before our own server and said again: the same message, at the same boundaries, at the same microseconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import accumulate
from typing import Any

import anthropic
import httpx2
import pytest
from aiohttp import ClientSession, ClientTimeout, UnixConnector, web
from server_for_tests import MODEL, Served, in_warp

from mockllm.core.identity import CALL_HEADER, Identity
from mockllm.core.recording import Exchange, read_recording, write_line
from mockllm.core.replay import Replay, Timing, by_question
from mockllm.core.reply import Script
from mockllm.recorder import Upstream, build_recorder
from mockllm.server.application import build_runner

KEY = "sk-ant-api03-Zx8_QwErTy-0123456789abcdefAA"
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
SAID = [{"role": "user", "content": "Is it late?"}]
QUESTION = {"model": MODEL, "max_tokens": 1000, "messages": SAID, "stream": True}
LONG = Script(200)


class Arrivals(list[tuple[int, bytes]]):
    """Each chunk of a body with the microsecond at which it came, the end among them."""


async def arrivals(served: Served, http: httpx2.AsyncClient, **fields: Any) -> Arrivals:
    sent = {"json": QUESTION, "headers": HEADERS, **fields}
    start_us = served.loop.now_us()
    came = Arrivals()
    async with http.stream("POST", "/v1/messages", **sent) as answer:
        came.append((served.loop.now_us() - start_us, str(answer.status_code).encode()))
        async for chunk in answer.aiter_raw():
            came.append((served.loop.now_us() - start_us, chunk))
    came.append((served.loop.now_us() - start_us, b"end"))
    return came


@contextlib.asynccontextmanager
async def recorder(served: Served, kept: list[Exchange]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a recorder before the served mock, in virtual time over a socket of its own."""
    socket = served.socket.with_name("recorder")
    connector = UnixConnector(str(served.socket))
    async with ClientSession(connector=connector, auto_decompress=False, timeout=ClientTimeout(total=None)) as session:
        runner = build_runner(build_recorder(Upstream("http://localhost", session, served.loop.now_us), kept.append))
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        transport = httpx2.AsyncHTTPTransport(uds=str(socket))
        try:
            async with httpx2.AsyncClient(base_url="http://localhost", transport=transport, timeout=None) as client:
                yield client
        finally:
            await runner.cleanup()


def written(kept: list[Exchange]) -> list[Exchange]:
    """The exchanges as they come back from a file."""
    return read_recording([write_line(exchange) for exchange in kept], "x.jsonl")


def record(talk: Any, **options: Any) -> tuple[list[Exchange], Any]:
    """What `talk(served, client)` said through the recorder, as it is read from a file, and what it returned."""
    kept: list[Exchange] = []

    async def run(served: Served) -> Any:
        async with recorder(served, kept) as client:
            return await talk(served, client)

    answer = in_warp(run, speak=lambda _: LONG, **options)
    return written(kept), answer


def replaying(exchanges: list[Exchange], timing: Timing = "recorded") -> Any:
    return lambda: Replay(by_question(exchanges), timing)


def test_in_virtual_time_every_chunk_comes_again_at_its_own_microsecond() -> None:
    exchanges, before = record(arrivals)

    async def again(served: Served) -> list[Arrivals]:
        await asyncio.sleep(0.25)
        return [await arrivals(served, served.http) for _ in range(2)]

    assert in_warp(again, replay=replaying(exchanges)) == [before, before]
    assert len(before) > 40


def test_the_sdk_sees_the_message_that_was_recorded() -> None:
    exchanges, _ = record(arrivals)

    async def recorded(served: Served) -> Any:
        async with served.stream() as stream:
            return await stream.get_final_message()

    # The question has a new key, another order of fields, and a cache marker that it had not.
    async def again(served: Served) -> Any:
        content = [{"type": "text", "text": "Is it late?", "cache_control": {"type": "ephemeral"}}]
        sdk = served.sdk.with_options(api_key="sk-ant-another-0123456789abcdef")
        async with sdk.messages.stream(
            messages=[{"role": "user", "content": content}], max_tokens=1000, model=MODEL
        ) as stream:
            return await stream.get_final_message()

    assert in_warp(again, replay=replaying(exchanges)) == in_warp(recorded, speak=lambda _: LONG)


def test_a_whole_answer_and_an_error_come_again_with_status_headers_and_moment() -> None:
    async def both(served: Served, client: httpx2.AsyncClient) -> list[Any]:
        answers = []
        for sent in ({**QUESTION, "stream": False}, {**QUESTION, "max_tokens": -1}):
            start_us = served.loop.now_us()
            answer = await client.post("/v1/messages", json=sent, headers=HEADERS)
            kept = ("content-type", "content-length", "request-id")
            shown = {name: answer.headers.get(name) for name in kept}
            answers.append((answer.status_code, shown, answer.content, served.loop.now_us() - start_us))
        return answers

    exchanges, before = record(both)
    assert [status for status, *_ in before] == [200, 400]

    async def again(served: Served) -> list[Any]:
        return await both(served, served.http)

    assert in_warp(again, replay=replaying(exchanges)) == before


def test_several_recordings_of_one_question_are_said_in_order_of_their_names() -> None:
    async def twice(served: Served, client: httpx2.AsyncClient) -> None:
        for _ in range(2):
            await arrivals(served, client)

    exchanges, _ = record(twice)
    first, second = ([chunk.data for chunk in exchange.chunks] for exchange in exchanges)
    assert first != second

    async def at_once(served: Served) -> list[Any]:
        names = ["c", "a", "b"]
        answers = await asyncio.gather(
            *[arrivals(served, served.http, headers={**HEADERS, CALL_HEADER: name}) for name in names]
        )
        return [b"".join([data for _, data in answer[1:-1]]) for answer in answers]

    said = dict(zip("cab", in_warp(at_once, replay=replaying(exchanges)), strict=True))
    assert said == {"a": b"".join(first), "b": b"".join(second), "c": b"".join(second)}


def test_with_the_profile_s_timing_the_boundaries_stay_and_the_moments_are_the_profile_s() -> None:
    exchanges, before = record(arrivals)

    async def again(served: Served) -> tuple[Arrivals, Any]:
        came = await arrivals(served, served.http, headers={**HEADERS, CALL_HEADER: "main/turn-1"})
        prompt = int(exchanges[0].chunks[0].data.split(b'"input_tokens":')[1].split(b",")[0])
        plan = served.emulator.service.plan(served.emulator.draws, Identity("main/turn-1"), prompt, 0, 200)
        return came, plan

    came, plan = in_warp(again, replay=replaying(exchanges, "profile"), seed=5)
    recorded, again_said = ([data for _, data in one[1:-1]] for one in (before, came))
    assert b"".join(again_said) == b"".join(recorded)
    # Chunks that the profile sends at one instant may be read as one; none is parted.
    assert set(accumulate(map(len, again_said))) <= set(accumulate(map(len, recorded)))
    assert len(again_said) > 20
    assert (came[0][0], came[-1][0]) == (plan.first_us, plan.end_us)
    assert came != before


def test_a_cut_answer_is_cut_again() -> None:
    async def cut(served: Served, client: httpx2.AsyncClient) -> int:
        faults = await served.http.post("/_mock/faults", json={"kind": "cut"})
        assert faults.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            await arrivals(served, client)
        return served.loop.now_us()

    exchanges, _ = record(cut)
    assert exchanges[0].cut

    async def read(served: Served, came: list[bytes]) -> None:
        async with served.http.stream("POST", "/v1/messages", json=QUESTION, headers=HEADERS) as answer:
            async for chunk in answer.aiter_raw():
                came.append(chunk)  # noqa: PERF401  # what came before the cut is kept

    async def again(served: Served) -> bytes:
        came: list[bytes] = []
        with pytest.raises(httpx2.RemoteProtocolError):
            await read(served, came)
        return b"".join(came)

    assert in_warp(again, replay=replaying(exchanges)) == b"".join([chunk.data for chunk in exchanges[0].chunks])


def test_any_path_is_said_again_in_any_run_and_what_was_not_recorded_is_said_to_be_so() -> None:
    async def models(served: Served, client: httpx2.AsyncClient) -> Any:
        await arrivals(served, client)
        return (await client.get("/v1/models?limit=5", headers=HEADERS)).json()

    exchanges, listed = record(models)

    async def again(served: Served) -> list[str]:
        for prefix in ("", "/_run/one"):
            answer = await served.http.get(f"{prefix}/v1/models?limit=5", headers=HEADERS)
            assert answer.json() == listed
        assert (await served.http.get("/_mock/state")).json()["model"] == MODEL
        told = []
        for question in ({**QUESTION, "max_tokens": 5}, {**QUESTION, "stream": False}):
            with pytest.raises(anthropic.NotFoundError) as caught:
                await served.sdk.messages.create(**question)
            told.append(caught.value.body["error"]["message"])
        log = (await served.http.get("/_mock/requests")).json()["requests"]
        assert [entry["status"] for entry in log] == [200, 404, 404]
        # What the mock itself has under a path, it has for its own methods.
        for method, path, status in (("POST", "/health", 404), ("GET", "/health", 200), ("TRACE", "/health", 405)):
            assert (await served.http.request(method, path)).status_code == status
        for path, rule in (("faults", {"kind": "overloaded"}), ("expect", {"reply": "no"})):
            refused = await served.http.post(f"/_mock/{path}", json=rule)
            assert refused.status_code == 400
            assert "a recording is said as it is" in refused.json()["error"]
        return told

    for line in in_warp(again, replay=replaying(exchanges)):
        assert line.startswith("not recorded: POST /v1/messages with this body (1 others at this path are); record it")
