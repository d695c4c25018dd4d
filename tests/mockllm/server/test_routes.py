from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from server_for_tests import MODEL, Served, in_warp

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


def test_a_body_beyond_the_limit_is_refused_however_it_comes() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b" " * (1 << 20)

    async def talk(served: Served) -> tuple[int, int]:
        whole = await served.http.post("/v1/messages", content=b" " * (MAX_BODY_BYTES + 1), headers=HEADERS)
        chunked = await served.http.post("/v1/messages", content=parts(), headers=HEADERS)
        return whole.status_code, chunked.status_code

    assert in_warp(talk) == (413, 413)


def test_refusals_are_told_apart_by_the_bodies_that_they_refuse() -> None:
    async def talk(served: Served) -> list[str]:
        return [
            (await served.http.post("/v1/messages", content=raw, headers=HEADERS)).headers["request-id"]
            for raw in (b"{", b"[", b"{")
        ]

    first = in_warp(talk)
    assert len(set(first)) == 3
    assert in_warp(talk) == first
