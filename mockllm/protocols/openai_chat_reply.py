"""A planned reply as chat completions send it: one JSON object, or chunks at their instants and `[DONE]`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from mockllm.core.reply import Reply, Text, ToolUse
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.timeline import Flush
from mockllm.core.usage import Usage
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_chat_body import StreamOptions
from mockllm.protocols.openai_errors import error_body
from mockllm.protocols.openai_models import CREATED
from mockllm.protocols.openai_words import call_id, digits, padding
from mockllm.protocols.pieces import Piece, pieces, visible

__all__ = ["completion", "failed", "stream"]

_REASONS = {"max_tokens": "length", "model_context_window_exceeded": "length", "refusal": "content_filter"}


def completion(reply: Reply, usage: Usage, counter: TokenCounter) -> dict[str, Any]:
    """The whole answer as the JSON of a response without streaming."""
    texts = [write_out(part.content, counter) for part in visible(reply) if isinstance(part, Text)]
    calls = [_call(part, part.json) for part in visible(reply) if isinstance(part, ToolUse)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": None}
    message["annotations"] = []
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    return {**_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(usage, usage.output_tokens, reply)}


def stream(
    reply: Reply,
    usage: Usage,
    flushes: Sequence[Flush],
    first_us: int,
    end_us: int,
    counter: TokenCounter,
    options: StreamOptions | None,
) -> list[tuple[int, bytes]]:
    """The chunks of `reply`, each pair the microseconds from admission and all the bytes of that instant.

    The role comes with the first token, the reason to finish with the last; after it the usage, where it was asked
    for.
    """
    asked = options or StreamOptions()
    head, writes = _head(reply, "chat.completion.chunk"), dict[int, list[bytes]]()
    number = 0

    def put(at_us: int, delta: dict[str, Any], reason: str | None, tokens: int) -> None:
        nonlocal number
        chunk = {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
        if asked.continuous_usage_stats:
            chunk["usage"] = _usage(usage, tokens, reply)
        elif asked.include_usage:
            chunk["usage"] = None
        if asked.include_obfuscation is not False:
            chunk["obfuscation"] = padding(reply.id, number, len(str(delta.get("content") or "")))
        number += 1
        writes.setdefault(at_us, []).append(_event(chunk))

    parts = visible(reply)
    opening = None if parts and isinstance(parts[0], ToolUse) else ""
    put(first_us, {"role": "assistant", "content": opening, "refusal": None}, None, min(1, reply.output_tokens))
    for at_us, delta, tokens in _deltas(pieces(reply, flushes, counter)):
        put(at_us, delta, None, tokens)
    put(end_us, {}, _finish_reason(reply), reply.output_tokens)
    closing = writes.setdefault(end_us, [])
    if asked.include_usage:
        closing.append(_event({**head, "choices": [], "usage": _usage(usage, usage.output_tokens, reply)}))
    closing.append(b"data: [DONE]\n\n")
    return [(at_us, b"".join(chunks)) for at_us, chunks in writes.items()]


def failed(error: ApiError) -> bytes:
    """How a stream that is under way says that it failed."""
    return _event(error_body(error))


def _deltas(said: Iterator[Piece]) -> Iterator[tuple[int, dict[str, Any], int]]:
    calls = -1
    for piece in said:
        if isinstance(piece.part, Text):
            if piece.text:
                yield piece.at_us, {"content": piece.text}, piece.tokens
            continue
        if piece.opens:
            calls += 1
            yield piece.at_us, {"tool_calls": [{"index": calls, **_call(piece.part, "")}]}, piece.tokens
        if piece.text:
            fragment = {"index": calls, "function": {"arguments": piece.text}}
            yield piece.at_us, {"tool_calls": [fragment]}, piece.tokens


def _call(part: ToolUse, arguments: str) -> dict[str, Any]:
    return {"id": call_id(part), "type": "function", "function": {"name": part.name, "arguments": arguments}}


def _finish_reason(reply: Reply) -> str:
    if reply.stop_reason == "tool_use":
        return "tool_calls"
    return _REASONS.get(reply.stop_reason, "stop")


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{digits(reply)}",
        "object": kind,
        "created": CREATED,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _usage(usage: Usage, output_tokens: int, reply: Reply) -> dict[str, Any]:
    """The prompt's total holds what was read from the cache, and the output's what was thought."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": usage.prompt_tokens + output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.read_tokens,
            "cache_write_tokens": usage.write_5m_tokens + usage.write_1h_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": min(reply.thinking_tokens, output_tokens),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _event(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n".encode()
