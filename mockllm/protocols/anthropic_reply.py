"""A planned reply as the Anthropic API sends it: one JSON message, or server-sent events at their instants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

from mockllm.core.reply import Reply, Text, Thinking, ToolUse
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.timeline import Flush
from mockllm.core.usage import Usage
from mockllm.protocols.pieces import shares

__all__ = ["message", "stream"]

_compact = json.JSONEncoder(separators=(",", ":")).encode


def message(
    reply: Reply, usage: Usage, counter: TokenCounter, diagnostics: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The whole answer as the JSON of a response without streaming; `diagnostics` where the request asked for them."""
    content = [_block(part, counter) for part in reply.parts]
    used = _usage(usage, reply.output_tokens, reply.thinking_tokens)
    return _message(reply, content, reply.stop_reason, used, diagnostics)


def stream(
    reply: Reply,
    usage: Usage,
    flushes: Sequence[Flush],
    first_us: int,
    end_us: int,
    counter: TokenCounter,
    diagnostics: Mapping[str, Any] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """The events of `reply`, each pair the microseconds from admission and all the bytes of that instant.

    `flushes` say how many tokens arrive when; each carries its tokens' share of the text, so that the first visible
    text or tool byte lies at `first_us` and the last, with the end of the message, at `end_us`. They are written out
    one by one as they are asked for, so that a long answer costs nothing before its time; its end, which is dearer, is
    written out at the beginning, where there is time for it.
    """
    closing = _closing(reply, usage)
    opening = _message(reply, [], None, _usage(usage, min(1, reply.output_tokens)), diagnostics)
    instant_us, together = first_us, [_event({"type": "message_start", "message": opening})]
    for at_us, event in _said(reply, flushes, counter):
        if at_us != instant_us:
            yield instant_us, b"".join(together)
            instant_us, together = at_us, []
        together.append(event)
    if end_us != instant_us:
        yield instant_us, b"".join(together)
        together = []
    yield end_us, b"".join([*together, *closing])


def _closing(reply: Reply, usage: Usage) -> tuple[bytes, bytes]:
    used = _usage(usage, reply.output_tokens, reply.thinking_tokens)
    counts = {name: used[name] for name in _DELTA_USAGE}
    delta = {"stop_reason": reply.stop_reason, "stop_sequence": reply.stop_sequence, "stop_details": None}
    delta["container"] = None
    return _event({"type": "message_delta", "delta": delta, "usage": counts}), _event({"type": "message_stop"})


_DELTA_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)


def _said(reply: Reply, flushes: Sequence[Flush], counter: TokenCounter) -> Iterator[tuple[int, bytes]]:
    """The content events of every part in order, each at the flush that brings it."""
    reached = list(accumulate(flush.tokens for flush in flushes))
    place = 0  # the flush that brings the part's first token
    begun = 0  # tokens before the part
    for index, (part, tokens) in enumerate(zip(reply.parts, shares(reply, counter), strict=True)):
        text = _written(part, counter)
        ended = begun + tokens
        while place < len(flushes) - 1 and reached[place] <= begun:
            place += 1
        at_us = flushes[place].at_us
        yield at_us, _event({"type": "content_block_start", "index": index, "content_block": _empty(part)})
        if index == 0:
            yield at_us, _event({"type": "ping"})
        opening = _delta_opening(index, part)
        if isinstance(part, ToolUse):
            yield at_us, _delta(opening, "")
        # A tool shows its name at once; text shows a character, even where the tokens of a cut call stretch it.
        least = min(1, len(text)) if isinstance(part, Text) else 0
        sent = 0
        while True:
            whole = place == len(flushes) - 1 or reached[place] >= ended
            upto = len(text) if whole else max(least, len(text) * (reached[place] - begun) // tokens)
            if upto > sent:
                yield flushes[place].at_us, _delta(opening, text[sent:upto])
                sent = upto
            if whole:
                break
            place += 1
        if isinstance(part, Thinking):
            signed = {"type": "signature_delta", "signature": part.signature}
            yield flushes[place].at_us, _event({"type": "content_block_delta", "index": index, "delta": signed})
        yield flushes[place].at_us, _event({"type": "content_block_stop", "index": index})
        begun = ended


_Part: TypeAlias = Thinking | Text | ToolUse


def _written(part: _Part, counter: TokenCounter) -> str:
    """What the deltas of `part` carry; thinking that is not shown has none."""
    if isinstance(part, ToolUse):
        return part.json
    return "" if isinstance(part, Thinking) and not part.shown else write_out(part.content, counter)


def _block(part: _Part, counter: TokenCounter) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": write_out(part.content, counter), "citations": None}
        case Thinking():
            return {"type": "thinking", "thinking": _written(part, counter), "signature": part.signature}
        case ToolUse():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": dict(part.arguments)}


def _empty(part: _Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": "", "citations": None}
        case Thinking():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case ToolUse():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}


def _delta_opening(index: int, part: _Part) -> str:
    """The delta events of `part` up to the piece that each carries; all but that is the same in every one."""
    match part:
        case Text():
            kind, field = "text_delta", "text"
        case Thinking():
            kind, field = "thinking_delta", "thinking"
        case ToolUse():
            kind, field = "input_json_delta", "partial_json"
    whole = _event({"type": "content_block_delta", "index": index, "delta": {"type": kind, field: ""}}).decode()
    return whole.removesuffix(_DELTA_ENDING)


_DELTA_ENDING = '""}}\n\n'


def _delta(opening: str, piece: str) -> bytes:
    return f"{opening}{_compact(piece)}}}}}\n\n".encode()


def _message(
    reply: Reply,
    content: list[dict[str, Any]],
    stop_reason: str | None,
    usage: dict[str, Any],
    diagnostics: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "model": reply.model,
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": reply.stop_sequence if stop_reason else None,
        "stop_details": None,
        "container": None,
        "diagnostics": diagnostics,
        "usage": usage,
    }


def _usage(usage: Usage, output_tokens: int, thinking_tokens: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.write_5m_tokens + usage.write_1h_tokens,
        "cache_read_input_tokens": usage.read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.write_1h_tokens,
        },
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": thinking_tokens},
        "server_tool_use": None,
        "service_tier": "standard",
        "inference_geo": "global",
        "speed": "standard",
    }


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {_compact(event)}\n\n".encode()
