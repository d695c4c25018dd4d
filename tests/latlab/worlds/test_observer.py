"""An agent's answers as bytes: what was seen of them, and when, however they were cut into chunks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_for_tests import Served, in_warp

from latlab.worlds.observer import AnswerObserver
from mockllm.core.reply import Script
from mockllm.core.usage import Usage

HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
SPOKEN = {
    "words": Script(30),
    "tools": Script(60, [("look", {"at": "a"}), ("look", {"at": "ü"})]),
    "only tools": Script(0, [("look", {"at": "somewhere"})]),
}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(**fields: Any) -> bytes:
    return event("content_block_delta", index=0, delta=fields)


def start(kind: str, **fields: Any) -> bytes:
    return event("content_block_start", index=0, content_block={"type": kind, **fields})


OPENING = event("message_start", message={"usage": {"input_tokens": 9, "output_tokens": 1}})


def record(script: Script) -> tuple[list[tuple[int, bytes]], Any]:
    """The streamed bytes of an answer with the time of each chunk, and what the SDK made of the same answer."""

    async def talk(served: Served) -> tuple[list[tuple[int, bytes]], Any]:
        body = {
            "model": "test-model",
            "max_tokens": 1000,
            "stream": True,
            "tools": [TOOL],
            "cache_control": {"type": "ephemeral"},
            "messages": [{"role": "user", "content": "look " * 2000}],
        }
        async with served.http.stream("POST", "/v1/messages", json=body, headers=HEADERS) as response:
            chunks = [(served.loop.now_us(), chunk) async for chunk in response.aiter_raw()]
        del body["stream"]
        # Half an hour later the cache has forgotten it, so the same question has the same usage.
        await asyncio.sleep(1800)
        return chunks, await served.sdk.messages.create(**body)

    return in_warp(talk, speak=lambda _: script)


RECORDED = {name: record(script) for name, script in SPOKEN.items()}


def observe(chunks: list[tuple[int, bytes]], *, streamed: bool = True, end_us: int = 10**9) -> AnswerObserver:
    observer = AnswerObserver(streamed=streamed)
    for now_us, chunk in chunks:
        observer.feed(chunk, now_us)
    observer.finish(end_us)
    return observer


def figures(observer: AnswerObserver) -> tuple[int | None, int, Usage]:
    return observer.first_us, observer.tool_uses, observer.usage


@pytest.mark.parametrize("name", SPOKEN)
def test_a_stream_reports_what_the_sdk_does(name: str) -> None:
    chunks, message = RECORDED[name]
    observer = observe(chunks)
    usage = message.usage
    assert observer.usage == Usage(
        usage.input_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation.ephemeral_5m_input_tokens,
        usage.cache_creation.ephemeral_1h_input_tokens,
        usage.output_tokens,
    )
    assert observer.usage.write_5m_tokens > 1000
    assert observer.tool_uses == sum(block.type == "tool_use" for block in message.content)
    assert observer.first_us == chunks[0][0]


@given(name=st.sampled_from(sorted(SPOKEN)), data=st.data())
def test_where_the_bytes_are_cut_changes_nothing(name: str, data: st.DataObject) -> None:
    whole = b"".join(chunk for _, chunk in RECORDED[name][0])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=30)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert b"".join(pieces) == whole
    assert figures(observe([(5, piece) for piece in pieces])) == figures(observe([(5, whole)]))


@given(st.sampled_from(sorted(SPOKEN)).flatmap(lambda name: st.tuples(st.just(name), st.integers(0, 10**6))))
def test_a_stream_that_is_cut_tells_what_came_before(cut: tuple[str, int]) -> None:
    name, place = cut
    whole = b"".join(chunk for _, chunk in RECORDED[name][0])
    complete = observe([(5, whole)])
    part = observe([(5, whole[: place % len(whole)])], end_us=7)
    assert part.first_us in (5, 7)
    assert part.tool_uses <= complete.tool_uses
    assert part.usage == Usage(0, 0, 0, 0, 0) or part.usage[:4] == complete.usage[:4]
    assert part.usage.output_tokens <= complete.usage.output_tokens


@pytest.mark.parametrize(
    "unseen",
    [
        b"",
        event("ping"),
        b": a comment\n\n",
        start("text", text=""),
        start("thinking", thinking=""),
        delta(type="thinking_delta", thinking="hm"),
        delta(type="signature_delta", signature="abc"),
        delta(type="text_delta", text=""),
        delta(type="input_json_delta", partial_json=""),
        event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
    ],
)
def test_the_user_sees_nothing_of_it(unseen: bytes) -> None:
    observer = observe([(1, OPENING), (2, unseen)], end_us=9)
    assert observer.first_us == 9
    assert observer.tool_uses == 0


@pytest.mark.parametrize(
    ("seen", "tools"),
    [
        (delta(type="text_delta", text="H"), 0),
        (delta(type="input_json_delta", partial_json="{"), 0),
        (start("tool_use", id="t", name="look", input={}), 1),
        (delta(type="text_delta", text="H").replace(b"\n", b"\r\n"), 0),
    ],
)
def test_the_first_visible_byte_is_when_it_came(seen: bytes, tools: int) -> None:
    observer = observe([(1, OPENING), (2, event("ping")), (3, seen), (4, seen)])
    assert observer.first_us == 3
    assert observer.tool_uses == 2 * tools


def test_the_last_word_on_usage_counts_and_what_it_leaves_out_stands() -> None:
    closing = event("message_delta", delta={}, usage={"output_tokens": 7, "input_tokens": None})
    assert observe([(1, OPENING), (2, closing)]).usage == Usage(9, 0, 0, 0, 7)


def test_an_answer_in_one_piece_is_seen_when_it_is_whole() -> None:
    message = {
        "content": [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "look", "input": {}}],
        "usage": {
            "input_tokens": 3,
            "cache_read_input_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
            "output_tokens": 6,
        },
    }
    body = json.dumps(message).encode()
    observer = observe([(1, body[:10]), (2, body[10:])], streamed=False, end_us=3)
    assert figures(observer) == (3, 1, Usage(3, 20, 4, 5, 6))


@pytest.mark.parametrize("body", [b"", b"{", b'{"usage": {"input_tok', b"not json", b"[1]", b"{}"])
def test_an_answer_in_one_piece_that_was_cut_tells_nothing_and_breaks_nothing(body: bytes) -> None:
    assert figures(observe([(1, body)], streamed=False, end_us=3)) == (3, 0, Usage(0, 0, 0, 0, 0))


def test_the_recorded_answer_was_streamed() -> None:
    chunks, _ = RECORDED["words"]
    assert len({now_us for now_us, _ in chunks}) > 3
    assert isinstance(chunks[0][1], bytes)
