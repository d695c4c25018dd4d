from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from server_for_tests import MODEL, Served, in_real_time, in_warp

from mockllm.core.reply import Script
from mockllm.core.request import Request
from mockllm.server.application import MAX_BODY_BYTES
from mockllm.server.routes import json_bytes

ASKED = {"model": MODEL, "max_tokens": 30, "messages": [{"role": "user", "content": "Is it late?"}]}
HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01", "content-type": "application/json"}


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None]}, {"a": 10**30}, {"a": "\ud800"}, {"é": ("x",)}])
def test_json_is_compact_and_holds_what_python_s_own_holds(value: object) -> None:
    raw = json_bytes(value)
    assert json.loads(raw) == json.loads(json.dumps(value))
    assert b" " not in raw


def test_a_body_that_comes_piece_by_piece_is_the_same_body() -> None:
    raw = json.dumps(ASKED).encode()

    async def slowly() -> AsyncIterator[bytes]:
        for place in range(0, len(raw), 7):
            yield raw[place : place + 7]
            await asyncio.sleep(0.5)

    async def talk(served: Served) -> list[str]:
        at_once = await served.http.post("/v1/messages", content=raw, headers=HEADERS)
        in_pieces = await served.http.post("/v1/messages", content=slowly(), headers=HEADERS)
        texts = [one.json()["content"][0]["text"] for one in (at_once, in_pieces)]
        return [text.partition(":")[2].partition(":")[0] for text in texts]  # the hash of what was asked

    one, other = in_warp(talk)
    assert one == other
    assert len(one) == 32


def test_a_body_of_unknown_length_is_refused_beyond_the_limit_too() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // (1 << 20) + 1):
            yield b" " * (1 << 20)

    async def talk(served: Served) -> int:
        return (await served.http.post("/v1/messages", content=parts(), headers=HEADERS)).status_code

    assert in_warp(talk) == 413


def test_refusals_are_told_apart_by_the_bodies_that_they_refuse() -> None:
    async def talk(served: Served) -> list[str]:
        return [
            (await served.http.post("/v1/messages", content=raw, headers=HEADERS)).headers["request-id"]
            for raw in (b"{", b"[", b"{")
        ]

    first = in_warp(talk)
    assert len(set(first)) == 3
    assert in_warp(talk) == first


def test_a_failure_of_the_mock_s_own_is_told_apart_by_the_body_too(caplog: pytest.LogCaptureFixture) -> None:
    def speak(_: Request) -> Script:
        raise KeyError("no line left")

    async def talk(served: Served) -> list[str]:
        ids = []
        for words in "aba":
            asked = {**ASKED, "messages": [{"role": "user", "content": words}]}
            response = await served.http.post("/v1/messages", json=asked, headers=HEADERS)
            assert response.status_code == 500
            ids.append(response.headers["request-id"])
        return ids

    first = in_real_time(talk, speak=speak)
    assert len(set(first)) == 3
    assert in_real_time(talk, speak=speak) == first
    assert "no line left" in caplog.text


@pytest.mark.parametrize("path", ["/a%0Ab", "/v1/messages%0A", "/_run/x/a%0Ab"])
def test_a_path_with_a_line_break_is_refused_in_the_api_s_form(path: str) -> None:
    async def talk(served: Served) -> tuple[int, bool, str]:
        response = await served.http.post(path, json=ASKED, headers=HEADERS)
        return response.status_code, "request-id" in response.headers, response.json()["error"]["type"]

    assert in_warp(talk) == (404, True, "not_found_error")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_encoded_as_it_says_is_a_400(path: str, encoding: str) -> None:
    async def talk(served: Served) -> tuple[int, str]:
        headers = {**HEADERS, "authorization": "Bearer key", "content-encoding": encoding}
        response = await served.http.post(path, content=b"in plain words", headers=headers)
        return response.status_code, response.json()["error"]["message"]

    status, message = in_warp(talk)
    assert status == 400
    assert message.startswith("The request body cannot be read: Can not decode")


def test_a_client_of_http_1_0_gets_its_stream_whole_and_without_chunks() -> None:
    async def talk(served: Served) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(served.socket))
        body = json.dumps({**ASKED, "stream": True}).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        writer.write(f"POST /v1/messages HTTP/1.0\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        whole = await reader.read()
        writer.close()
        return whole

    top, _, said = in_warp(talk).partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.0 200")
    assert b"chunked" not in top.lower()
    assert said.startswith(b"event: message_start")
    assert said.endswith(b'data: {"type":"message_stop"}\n\n')
