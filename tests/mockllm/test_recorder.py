"""The recorder, before our own server and before servers that misbehave: all goes through, and no key is kept."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiohttp import ClientSession, ClientTimeout, web
from anthropic import AsyncAnthropic
from profiles_for_tests import make_profile

from mockllm.clock.instants import RealClock
from mockllm.core.draws import Draws
from mockllm.core.recording import Exchange, read_recording
from mockllm.core.reply import Script
from mockllm.emulator.admission import Emulator
from mockllm.recorder import OutFile, RecorderError, Upstream, build_recorder, check_upstream, record
from mockllm.server.addresses import listen
from mockllm.server.application import build_app, build_runner, runs_of

KEY = "sk-ant-api03-Zx8_QwErTy-0123456789abcdefAA"
ASKED = {"model": "test-model", "max_tokens": 100, "messages": [{"role": "user", "content": f"Is {KEY} mine?"}]}
HEADERS = {"authorization": f"Bearer {KEY}", "anthropic-version": "2023-06-01"}


def own_server() -> web.Application:
    """Our own server, a few milliseconds an answer, which says the key that it was sent."""
    profile = make_profile(intercept_s=0.002, uncached_s_per_1k=0.0, spike=None, tokens_per_s=1e4, flush_tokens=2.0)
    clock = RealClock(asyncio.get_running_loop())
    emulator = Emulator(profile, Draws(1, 0), clock, lambda _: Script(0, text=f"Your key is {KEY}, I think."))
    return build_app(runs_of(emulator), connection_setup=False)


def only(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app


def recorded(
    upstream: Callable[[], web.Application], talk: Callable[[str], Awaitable[Any]]
) -> tuple[list[Exchange], Any]:
    """What `talk` went through with the recorder's URL, over TCP, and what it returned."""
    kept: list[Exchange] = []

    async def run() -> Any:
        clock = RealClock(asyncio.get_running_loop())
        server = build_runner(upstream())
        await server.setup()
        async with ClientSession(auto_decompress=False, timeout=ClientTimeout(total=None)) as session:
            url = await listen(server, "127.0.0.1", 0)
            proxy = build_runner(build_recorder(Upstream(url, session, clock.now_us), kept.append))
            await proxy.setup()
            try:
                return await talk(await listen(proxy, "127.0.0.1", 0))
            finally:
                await proxy.cleanup()
                await server.cleanup()

    answer = asyncio.run(run())
    return kept, answer


async def post(url: str, path: str = "/v1/messages", **fields: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=url) as client:
        return await client.post(path, **{"json": ASKED, "headers": HEADERS, **fields})


# What goes through


def test_a_stream_goes_through_as_it_is_and_is_recorded_chunk_by_chunk() -> None:
    async def talk(url: str) -> Any:
        sdk = AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0)
        async with sdk, sdk.messages.stream(**ASKED) as stream:
            return await stream.get_final_message()

    (exchange,), message = recorded(own_server, talk)
    assert message.content[0].text == f"Your key is {KEY}, I think."
    assert (exchange.method, exchange.path, exchange.status, exchange.cut) == ("POST", "/v1/messages", 200, False)
    assert len(exchange.chunks) > 5
    times = [exchange.headers_us, *[chunk.at_us for chunk in exchange.chunks], exchange.end_us]
    assert times == sorted(times)
    assert times[0] >= 2000  # our server sends its headers with its first token
    assert b"".join([chunk.data for chunk in exchange.chunks]).endswith(b'data: {"type":"message_stop"}\n\n')


def test_a_whole_answer_and_an_error_go_through_with_their_headers() -> None:
    async def talk(url: str) -> Any:
        return [await post(url), await post(url, json={**ASKED, "max_tokens": "many"})]

    (good, bad), (answer, refusal) = recorded(own_server, talk)
    assert answer.json()["content"][0]["text"].startswith("Your key")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["request-id"].startswith("req_")
    assert (good.status, bad.status, refusal.status_code) == (200, 400, 400)
    assert b"".join([chunk.data for chunk in bad.chunks]) == refusal.content


def test_a_chunk_is_passed_on_before_the_next_one_is_there() -> None:
    seen = asyncio.Event()

    async def waiting(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(http)
        await response.write(b"one")
        await seen.wait()
        await response.write(b"two")
        return response

    async def talk(url: str) -> list[bytes]:
        async with ClientSession() as client, client.get(url) as answer:
            first = await answer.content.readany()
            seen.set()
            return [first, await answer.content.read()]

    (exchange,), pieces = recorded(lambda: only(waiting), talk)
    assert pieces == [b"one", b"two"]
    assert [chunk.data for chunk in exchange.chunks] == [b"one", b"two"]


def test_the_upstream_gets_the_key_the_path_and_the_body_and_no_header_of_the_mock_s() -> None:
    met: list[Any] = []

    async def mirror(http: web.Request) -> web.StreamResponse:
        met.append((http.method, http.raw_path, http.headers.copy(), await http.read()))
        return web.Response(status=204)

    async def talk(url: str) -> Any:
        sent = {**HEADERS, "x-mockllm-call": "main/turn-1", "connection": "x-hop", "x-hop": "1", "x-kept": "2"}
        return await post(url, "/v1/m%2Fx?beta=true&key=a%20b", content=b"\x00raw", json=None, headers=sent)

    (exchange,), answer = recorded(lambda: only(mirror), talk)
    ((method, path, headers, body),) = met
    assert (method, path, body) == ("POST", "/v1/m%2Fx?beta=true&key=a%20b", b"\x00raw")
    assert headers["authorization"] == HEADERS["authorization"]
    assert headers["Accept-Encoding"] == "identity"
    assert headers["x-kept"] == "2"
    assert not {"x-mockllm-call", "x-hop"} & {name.lower() for name in headers}
    assert (answer.status_code, exchange.status, exchange.chunks) == (204, 204, ())


@pytest.mark.parametrize("path", [b"http://example.com/v1/models", b"*", b"example.com:443"])
def test_no_path_leads_anywhere_but_to_the_upstream(path: bytes) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        raise AssertionError

    async def talk(url: str) -> bytes:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        method = b"CONNECT" if b":443" in path else b"OPTIONS" if path == b"*" else b"GET"
        writer.write(method + b" " + path + b" HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return answer

    kept, answer = recorded(lambda: only(never), talk)
    assert answer.split()[1].startswith(b"4")
    assert kept == []


def test_a_path_that_looks_like_an_address_stays_a_path() -> None:
    met: list[str] = []

    async def mirror(http: web.Request) -> web.StreamResponse:
        met.append(http.raw_path)
        return web.Response()

    async def talk(url: str) -> None:
        port = int(url.rpartition(":")[2])
        for path in (b"//example.com/x", b"/@example.com", b"/../..//etc"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()

    recorded(lambda: only(mirror), talk)
    assert met == ["//example.com/x", "/@example.com", "/../..//etc"]


# What breaks off


def test_an_answer_that_the_upstream_cuts_is_cut_for_the_client_and_kept_as_cut() -> None:
    async def cutting(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(http)
        await response.write(b"half")
        assert http.transport is not None
        http.transport.close()
        return response

    async def talk(url: str) -> None:
        with pytest.raises(httpx2.RemoteProtocolError):
            await post(url)

    (exchange,), _ = recorded(lambda: only(cutting), talk)
    assert exchange.cut
    assert [chunk.data for chunk in exchange.chunks] == [b"half"]


def test_a_client_that_goes_away_leaves_what_came_so_far_as_cut() -> None:
    gone = asyncio.Event()

    async def endless(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(http)
        await response.write(b"one")
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return response

    async def talk(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url) as client, client.stream("GET", "/") as answer:
            async for _ in answer.aiter_raw():
                break
        await gone.wait()

    (exchange,), _ = recorded(lambda: only(endless), talk)
    assert exchange.cut
    assert [chunk.data for chunk in exchange.chunks] == [b"one"]


def test_an_upstream_that_cannot_be_reached_is_one_line_and_no_exchange() -> None:
    async def run() -> Any:
        kept: list[Exchange] = []
        async with ClientSession() as session:
            with_nobody = Upstream("http://127.0.0.1:1", session, lambda: 0)
            proxy = build_runner(build_recorder(with_nobody, kept.append))
            await proxy.setup()
            answer = await post(await listen(proxy, "127.0.0.1", 0))
            await proxy.cleanup()
        return kept, answer

    kept, answer = asyncio.run(run())
    assert (kept, answer.status_code) == ([], 502)
    assert "the upstream cannot be reached" in answer.json()["error"]["message"]
    assert KEY not in answer.text


def test_what_is_compressed_all_the_same_goes_through_and_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    async def compressed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(KEY.encode()), headers={"content-encoding": "gzip"})

    kept, answer = recorded(lambda: only(compressed), post)
    assert (kept, answer.text) == ([], KEY)
    assert "is compressed" in capsys.readouterr().err


# The file


def test_no_key_reaches_the_file_s_bytes(tmp_path: Path) -> None:
    out = OutFile(tmp_path / "x.jsonl")

    async def talk(url: str) -> None:
        await post(url, f"/v1/messages?api_key={KEY}")
        await post(url, json={**ASKED, "stream": True, "metadata": {"user_id": "user_0123456789"}})

    kept, _ = recorded(own_server, talk)
    for exchange in kept:
        out.keep(exchange)
    out.close()
    written = (tmp_path / "x.jsonl").read_bytes()
    assert out.kept == len(read_recording(written.splitlines(), "x.jsonl")) == 2
    for secret in (KEY, KEY[:20], KEY[-12:], "user_0123456789", "6d6f636b-6c6c-4d0e-8b1a-9f3c57e2d846"):
        assert secret.encode() not in written
    assert (tmp_path / "x.jsonl").stat().st_mode & 0o777 == 0o600


def test_exchanges_are_appended_to_a_recording_and_to_nothing_else(tmp_path: Path) -> None:
    kept, _ = recorded(own_server, post)
    path = tmp_path / "x.jsonl"
    for _ in range(2):
        out = OutFile(path)
        out.keep(kept[0])
        out.close()
        path.write_bytes(path.read_bytes().rstrip(b"\n"))  # as an editor may leave it
    assert len(read_recording(path.read_bytes().splitlines(), "x")) == 2
    other = tmp_path / "notes.txt"
    other.write_text("mine\n")
    for wrong, part in (
        (other, "holds something else"),
        (tmp_path, "cannot be written"),
        (tmp_path / "no" / "x", "No"),
    ):
        with pytest.raises(RecorderError, match=part) as caught:
            OutFile(wrong)
        assert len(str(caught.value).splitlines()) == 1
    assert other.read_text() == "mine\n"


# The command


@pytest.mark.parametrize("url", ["http://127.0.0.1:8787", "http://localhost:1/base/", "https://[::1]:8443"])
def test_an_upstream_on_this_machine_is_taken(url: str) -> None:
    assert check_upstream(url, allow_remote=False) == url.rstrip("/")


@pytest.mark.parametrize("url", ["https://api.example.com", "http://192.0.2.1:8080", "http://0.0.0.0:1"])
def test_an_upstream_on_another_machine_needs_to_be_asked_for(url: str) -> None:
    with pytest.raises(RecorderError, match="--allow-remote-upstream"):
        check_upstream(url, allow_remote=False)
    assert check_upstream(url, allow_remote=True) == url


@pytest.mark.parametrize(
    "url", ["api.example.com", "ftp://x", "http://", f"https://x?key={KEY}", f"https://me:{KEY}@x", ""]
)
def test_what_is_no_base_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(RecorderError, match="give the base URL") as caught:
        check_upstream(url, allow_remote=True)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_records_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    kept: list[Exchange] = []

    async def run() -> httpx2.Response:
        server = build_runner(own_server())
        await server.setup()
        up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        upstream = await listen(server, "127.0.0.1", 0)
        recording = asyncio.create_task(record(upstream, kept.append, port=0, ready=up.set_result))
        answer = await post(await up)
        os.kill(os.getpid(), stop)
        await recording
        await server.cleanup()
        return answer

    answer = asyncio.run(run())
    assert json.loads(b"".join([chunk.data for chunk in kept[0].chunks])) == answer.json()
