"""The API's answers in plain JSON: what is read from a stream is what a whole message says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from latlab.worlds.messages import StreamedAnswer, reply_of
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.reply import Script, compose
from mockllm.core.timeline import service_of
from mockllm.core.usage import Usage
from mockllm.protocols import anthropic_reply

SERVICE = service_of(make_profile())
COUNTER = SERVICE.counter
CALLS = st.lists(st.just(("look", {"at": "ünïcode ✓", "n": 1.5})), max_size=3)


@given(tokens=st.integers(0, 60), calls=CALLS, most=st.integers(1, 80), cuts=st.lists(st.integers(1, 3000), max_size=6))
def test_a_stream_is_put_together_to_the_message_that_it_says(
    tokens: int, calls: list[tuple[str, dict[str, object]]], most: int, cuts: list[int]
) -> None:
    identity, draws, usage = Identity("main/turn-0"), Draws(1, 0), Usage(10, 20, 30, 40, 0)
    reply = compose(Script(tokens, calls), identity, "test-model", most, COUNTER)
    usage = usage._replace(output_tokens=reply.output_tokens)
    timeline = SERVICE.plan(draws, identity, 10, 20, reply.output_tokens)
    flushes = SERVICE.flushes(timeline, draws, identity)
    whole = json.loads(json.dumps(anthropic_reply.message(reply, usage, COUNTER)))
    writes = anthropic_reply.stream(reply, usage, flushes, timeline.first_us, timeline.end_us, COUNTER)

    answer = StreamedAnswer()
    for at_us, data in writes:
        ends = [cut for cut in sorted(set(cuts)) if cut < len(data)] + [len(data)]
        for begin, end in zip([0, *ends], ends, strict=False):
            answer.feed(data[begin:end], at_us)
    answer.observer.finish(timeline.end_us)
    message = answer.message()
    assert message is not None
    assert message["content"] == whole["content"]
    assert reply_of(message) == reply_of(whole)
    assert answer.observer.usage == usage
    assert answer.observer.first_us == (timeline.first_us if reply.parts else timeline.end_us)


def test_a_stream_that_ends_before_its_message_has_none() -> None:
    answer = StreamedAnswer()
    assert answer.message() is None
    start = {"type": "message_start", "message": {"id": "m", "usage": {}, "stop_reason": None}}
    answer.feed(b"data: " + json.dumps(start).encode() + b"\n\n", 1)
    assert answer.message() is None


def test_an_error_in_the_middle_of_a_stream_is_kept() -> None:
    answer = StreamedAnswer()
    answer.feed(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy"}}\n\n', 1)
    assert answer.error == {"type": "overloaded_error", "message": "Busy"}


@pytest.mark.parametrize("kind", ["thinking", "server_tool_use"])
def test_blocks_that_the_lab_does_not_know_are_left_out(kind: str) -> None:
    content = [{"type": kind}, {"type": "text", "text": "Yes"}]
    message = {"id": "m", "model": "x", "content": content, "usage": {"output_tokens": 3}, "stop_reason": None}
    reply = reply_of(message)
    assert [type(part).__name__ for part in reply.parts] == ["Text"]
    assert reply.stop_reason == ""
