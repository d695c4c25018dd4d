from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.reply import Reply, Script, ToolUse, compose
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.timeline import Flush
from mockllm.core.usage import Usage
from mockllm.protocols import anthropic_reply

COUNTER = TokenCounter(make_profile().tokens)
USAGE = Usage(input_tokens=7, read_tokens=50, write_5m_tokens=3, write_1h_tokens=11, output_tokens=0)
CALLS = st.lists(
    st.tuples(
        st.text("abc_", min_size=1, max_size=12),
        st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=30), max_size=3),
    ),
    max_size=3,
)


def reply_of(script: Script, max_tokens: int = 100_000, stop: tuple[str, ...] = (), thinking: str = "") -> Reply:
    return compose(script, Identity("main/turn-1"), "test-model", max_tokens, COUNTER, stop, thinking)


def flushes_of(reply: Reply, sizes: list[int], gaps: list[int]) -> list[Flush]:
    """The reply's tokens in flushes of about `sizes`, `gaps` microseconds apart."""
    flushes, left, at_us = [Flush(500, 1)], reply.output_tokens - 1, 500
    for turn in range(10_000):
        if left <= 0:
            break
        size = min(left, sizes[turn % len(sizes)])
        at_us += gaps[turn % len(gaps)]
        flushes.append(Flush(at_us, size))
        left -= size
    return flushes


def events_of(reply: Reply, flushes: list[Flush]) -> list[tuple[int, dict[str, Any]]]:
    writes = list(anthropic_reply.stream(reply, USAGE, flushes, flushes[0].at_us, flushes[-1].at_us, COUNTER))
    instants = [at_us for at_us, _ in writes]
    assert instants == sorted(set(instants))
    events = []
    for at_us, data in writes:
        assert data.endswith(b"\n\n")
        for framed in data.decode().removesuffix("\n\n").split("\n\n"):
            name, line = framed.split("\n")
            event = json.loads(line.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            events.append((at_us, event))
    return events


def visible(event: dict[str, Any]) -> bool:
    """Whether a client has text or tool bytes to show."""
    if event["type"] == "content_block_start":
        return event["content_block"]["type"] == "tool_use"
    return event["type"] == "content_block_delta" and any(event["delta"].get(k) for k in ("text", "partial_json"))


@given(
    tokens=st.integers(1, 300),
    text=st.none() | st.text(max_size=200),
    calls=CALLS,
    limit=st.integers(1, 300),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    gaps=st.lists(st.integers(0, 5000), min_size=1, max_size=6),
)
def test_a_stream_tells_the_whole_message_in_order(
    tokens: int, text: str | None, calls: Any, limit: int, sizes: list[int], gaps: list[int]
) -> None:
    reply = reply_of(Script(tokens, calls, text), limit)
    flushes = flushes_of(reply, sizes, gaps)
    events = events_of(reply, flushes)
    whole = anthropic_reply.message(reply, USAGE, COUNTER)

    assert events[0][0] == flushes[0].at_us
    assert events[0][1] == {
        "type": "message_start",
        "message": {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}},
    }
    built: list[dict[str, Any]] = []
    inputs: list[str] = []
    open_block: int | None = None
    for _, event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert open_block is None
            assert event["index"] == len(built)
            open_block = event["index"]
            built.append(dict(event["content_block"]))
            inputs.append("")
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
            built[-1]["text"] = built[-1].get("text", "") + event["delta"].get("text", "")
            inputs[-1] += event["delta"].get("partial_json", "")
        elif event["type"] == "content_block_stop":
            assert event["index"] == open_block
            open_block = None
        else:
            assert event == {"type": "ping"}
    assert open_block is None
    for block, written in zip(built, inputs, strict=True):
        if block["type"] == "tool_use":
            block.pop("text")
            block["input"] = json.loads(written)
    assert built == whole["content"]

    assert [event["type"] for _, event in events[-2:]] == ["message_delta", "message_stop"]
    assert {at_us for at_us, _ in events[-2:]} == {flushes[-1].at_us}
    assert events[-2][1]["delta"]["stop_reason"] == reply.stop_reason
    assert events[-2][1]["usage"]["output_tokens"] == reply.output_tokens
    shown = [at_us for at_us, event in events if visible(event)]
    if shown:
        assert shown[0] == flushes[0].at_us
        assert shown[-1] == flushes[-1].at_us or reply.stop_reason == "max_tokens"


@given(
    tokens=st.integers(1, 400),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    gaps=st.lists(st.integers(1, 5000), min_size=1, max_size=6),
)
def test_each_flush_carries_its_tokens_share_of_the_text(tokens: int, sizes: list[int], gaps: list[int]) -> None:
    reply = reply_of(Script(tokens))
    flushes = flushes_of(reply, sizes, gaps)
    deltas = [
        (at_us, e["delta"]["text"]) for at_us, e in events_of(reply, flushes) if e["type"] == "content_block_delta"
    ]
    reached = list(accumulate(len(text) for _, text in deltas))
    assert [at_us for at_us, _ in deltas] == [flush.at_us for flush in flushes]
    assert reached == [4 * told for told in accumulate(flush.tokens for flush in flushes)]


def test_the_ping_follows_the_first_block_s_start_and_comes_once() -> None:
    reply = reply_of(Script(40, [("look", {"at": "it"})]))
    names = [event["type"] for _, event in events_of(reply, flushes_of(reply, [4], [100]))]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names.count("ping") == 1


def test_a_tool_s_input_begins_with_an_empty_delta_and_arrives_in_pieces() -> None:
    reply = reply_of(Script(1, [("look", {"at": "the far side of the hill, and then at this one"})]))
    pieces = [
        event["delta"]["partial_json"]
        for _, event in events_of(reply, flushes_of(reply, [2], [100]))
        if event["type"] == "content_block_delta"
    ]
    assert pieces[0] == ""
    assert len(pieces) > 4
    assert json.loads("".join(pieces)) == {"at": "the far side of the hill, and then at this one"}


def test_the_end_repeats_what_the_prompt_cost() -> None:
    reply = reply_of(Script(40))
    (usage,) = [e["usage"] for _, e in events_of(reply, flushes_of(reply, [4], [1])) if e["type"] == "message_delta"]
    assert usage == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 14,
        "cache_read_input_tokens": 50,
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 0},
        "server_tool_use": None,
    }


def test_the_whole_message_is_what_the_sdk_reads() -> None:
    from anthropic.types import Message

    reply = reply_of(Script(60, [("look", {"at": "it"})]))
    whole = anthropic_reply.message(reply, USAGE, COUNTER)
    message = Message.model_validate(whole)
    assert set(whole) == set(Message.model_fields)
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.usage.cache_creation is not None
    assert message.usage.cache_creation.ephemeral_1h_input_tokens == 11
    assert message.usage.cache_creation.ephemeral_5m_input_tokens == 3


def test_a_tool_that_did_not_fit_leaves_its_tokens_to_what_was_said() -> None:
    reply = reply_of(Script(30, [("look", {"at": "x" * 80})]), max_tokens=20)
    flushes = flushes_of(reply, [3], [10])
    assert not any(isinstance(part, ToolUse) for part in reply.parts)
    events = events_of(reply, flushes)
    assert events[-2][1]["delta"]["stop_reason"] == "max_tokens"
    assert events[-2][1]["usage"]["output_tokens"] == 20
    said = "".join(e["delta"]["text"] for _, e in events if e["type"] == "content_block_delta")
    assert said == "".join(write_out(part.content, COUNTER) for part in reply.parts if not isinstance(part, ToolUse))


@given(
    thinking=st.sampled_from(["summarized", "omitted"]),
    script=st.builds(Script, st.integers(10, 200), CALLS, thinking_tokens=st.integers(1, 100)),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
)
def test_thinking_is_streamed_before_all_else_and_signed_once_at_its_end(
    thinking: str, script: Script, sizes: list[int]
) -> None:
    reply = reply_of(script, thinking=thinking)
    flushes = flushes_of(reply, sizes, [10])
    events = events_of(reply, flushes)
    whole = anthropic_reply.message(reply, USAGE, COUNTER)
    assert whole["usage"]["output_tokens_details"] == {"thinking_tokens": script.thinking_tokens}
    block = whole["content"][0]
    first = [event for _, event in events if event.get("index") == 0]
    assert first[0]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert first[-1]["type"] == "content_block_stop"
    assert first[-2]["delta"] == {"type": "signature_delta", "signature": block["signature"]}
    said = "".join(event["delta"]["thinking"] for event in first[1:-2])
    assert said == block["thinking"]
    assert bool(said) == (thinking == "summarized")
    # What comes after it comes no earlier than the flush with the thought's last token.
    reached = list(accumulate(flush.tokens for flush in flushes))
    ended_us = next(flush.at_us for flush, upto in zip(flushes, reached, strict=True) if upto >= script.thinking_tokens)
    assert min((at for at, event in events if event.get("index", 0) > 0), default=ended_us) >= ended_us


def test_a_stop_sequence_is_named_in_both_forms_and_not_before_the_end() -> None:
    reply = reply_of(Script(0, text="one two three"), stop=("three",))
    assert anthropic_reply.message(reply, USAGE, COUNTER)["stop_sequence"] == "three"
    events = [event for _, event in events_of(reply, flushes_of(reply, [1], [10]))]
    assert events[0]["message"]["stop_sequence"] is None
    delta = next(event["delta"] for event in events if event["type"] == "message_delta")
    assert (delta["stop_reason"], delta["stop_sequence"]) == ("stop_sequence", "three")
