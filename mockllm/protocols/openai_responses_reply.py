"""A planned reply as the responses endpoint sends it: one JSON object, or named events at their instants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mockllm.core.reply import Reply, Text, ToolUse
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.timeline import Flush
from mockllm.core.usage import Usage
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_errors import error_body
from mockllm.protocols.openai_models import CREATED
from mockllm.protocols.openai_words import call_id, digits, padding
from mockllm.protocols.pieces import Piece, pieces, visible

__all__ = ["failed", "response", "stream"]

# What the response says of its own request, and what it says where that said nothing.
_ECHOED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def response(reply: Reply, usage: Usage, asked: Mapping[str, Any], counter: TokenCounter) -> dict[str, Any]:
    """The whole answer to the request `asked` as the JSON of a response without streaming."""
    cut = _is_cut(reply)
    parts = visible(reply)
    output = [
        _item(reply, number, part, counter, "incomplete" if cut and number == len(parts) - 1 else "completed")
        for number, part in enumerate(parts)
    ]
    return {
        **_head(reply, asked, "incomplete" if cut else "completed"),
        "output": output,
        "usage": _usage(usage, reply),
    }


def stream(
    reply: Reply,
    usage: Usage,
    asked: Mapping[str, Any],
    flushes: Sequence[Flush],
    begun_us: int,
    end_us: int,
    counter: TokenCounter,
) -> list[tuple[int, bytes]]:
    """The events of `reply`, each pair the microseconds from admission and all the bytes of that instant.

    That the response was created and is in progress is said at `begun_us`; every event has the next number of the
    sequence.
    """
    options = asked.get("stream_options") or {}
    events = _Events(reply, counter, options.get("include_obfuscation") is not False)
    started = {**_head(reply, asked, "in_progress"), "output": [], "usage": None}
    events.put(begun_us, "response.created", response=started)
    events.put(begun_us, "response.in_progress", response=started)
    for piece in pieces(reply, flushes, counter):
        events.piece(piece)
    whole = response(reply, usage, asked, counter)
    events.put(end_us, f"response.{whole['status']}", response=whole)
    return [(at_us, b"".join(written)) for at_us, written in events.writes.items()]


def failed(error: ApiError) -> bytes:
    """How a stream that is under way says that it failed. Whoever says it does not know what was sent: number 0."""
    told = error_body(error)["error"]
    event = {"type": "error", "code": told["code"] or told["type"], "message": told["message"], "param": told["param"]}
    return _event({**event, "sequence_number": 0})


@dataclass(slots=True)
class _Events:
    reply: Reply
    counter: TokenCounter
    obfuscated: bool
    writes: dict[int, list[bytes]] = field(default_factory=dict)
    number: int = 0

    def put(self, at_us: int, kind: str, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": self.number, **fields}
        self.number += 1
        self.writes.setdefault(at_us, []).append(_event(event))

    def piece(self, piece: Piece) -> None:
        place = {"output_index": piece.number}
        if piece.opens:
            opened = _item(self.reply, piece.number, piece.part, None, "in_progress")
            self.put(piece.at_us, "response.output_item.added", **place, item=opened)
        told = {"item_id": _item_id(self.reply, piece.number, piece.part), **place}
        if isinstance(piece.part, Text):
            self._text(piece, piece.part, {**told, "content_index": 0})
        else:
            self._arguments(piece, piece.part, told)
        if piece.closes:
            status = "incomplete" if _is_cut(self.reply) and self._is_last(piece) else "completed"
            done = _item(self.reply, piece.number, piece.part, self.counter, status)
            self.put(piece.at_us, "response.output_item.done", **place, item=done)

    def _text(self, piece: Piece, part: Text, told: dict[str, Any]) -> None:
        if piece.opens:
            self.put(piece.at_us, "response.content_part.added", **told, part=_output_text(""))
        if piece.text:
            delta = {"delta": piece.text, "logprobs": [], **self._padding(piece)}
            self.put(piece.at_us, "response.output_text.delta", **told, **delta)
        if piece.closes:
            text = write_out(part.content, self.counter)
            self.put(piece.at_us, "response.output_text.done", **told, text=text, logprobs=[])
            self.put(piece.at_us, "response.content_part.done", **told, part=_output_text(text))

    def _arguments(self, piece: Piece, part: ToolUse, told: dict[str, Any]) -> None:
        kind = "response.function_call_arguments"
        if piece.text:
            self.put(piece.at_us, f"{kind}.delta", **told, delta=piece.text, **self._padding(piece))
        if piece.closes:
            self.put(piece.at_us, f"{kind}.done", **told, name=part.name, arguments=part.json)

    def _padding(self, piece: Piece) -> dict[str, str]:
        filler = padding(self.reply.id, self.number, len(piece.text))
        return {"obfuscation": filler} if self.obfuscated else {}

    def _is_last(self, piece: Piece) -> bool:
        return piece.number == len(visible(self.reply)) - 1


def _is_cut(reply: Reply) -> bool:
    """Whether the answer ended at its limit. One that only fills the cache has no output, and is whole."""
    return reply.stop_reason == "max_tokens" and reply.output_tokens > 0


def _item(reply: Reply, number: int, part: Text | ToolUse, counter: TokenCounter | None, status: str) -> dict[str, Any]:
    """A part as an item of the output; without a `counter` it has no content yet."""
    item_id = _item_id(reply, number, part)
    if isinstance(part, ToolUse):
        arguments = part.json if counter is not None else ""
        named = {"call_id": call_id(part), "name": part.name, "arguments": arguments}
        return {"id": item_id, "type": "function_call", "status": status, **named}
    content = [] if counter is None else [_output_text(write_out(part.content, counter))]
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def _item_id(reply: Reply, number: int, part: Text | ToolUse) -> str:
    return f"{'msg' if isinstance(part, Text) else 'fc'}_{digits(reply)}{number:03x}"


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _head(reply: Reply, asked: Mapping[str, Any], status: str) -> dict[str, Any]:
    told = {name: otherwise if asked.get(name) is None else asked[name] for name, otherwise in _ECHOED.items()}
    return {
        "id": f"resp_{digits(reply)}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": reply.model,
        "service_tier": "default",
        **told,
    }


def _usage(usage: Usage, reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.read_tokens,
            "cache_write_tokens": usage.write_5m_tokens + usage.write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": reply.thinking_tokens},
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
    }


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
