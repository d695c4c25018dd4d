"""A call of the lab as the Messages API takes it, and the API's answer as the lab reads it, in plain JSON."""

from __future__ import annotations

import json
from typing import Any

from latlab.client import Call
from latlab.conversation import Part, Turn
from latlab.optimizations.cache_control import Placement, mark
from latlab.worlds.observer import AnswerObserver
from mockllm.core.reply import Reply, Text, ToolUse
from mockllm.core.request import TokenCounter, canonical, write_out

__all__ = ["StreamedAnswer", "body_of", "reply_of"]


def body_of(call: Call, model: str, counter: TokenCounter) -> dict[str, Any]:
    """The body of the request for `call`, without `stream`, which the SDK has a method of its own for."""
    chat = call.chat
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": call.max_tokens,
        "messages": [_message(turn, counter) for turn in chat.turns[: call.turns]],
    }
    if chat.system:
        body["system"] = write_out(chat.system, counter)
    if chat.tools:
        body["tools"] = [tool.definition() for tool in chat.tools]
    if call.breakpoints or call.automatic_cache:
        return mark(body, Placement(call.breakpoints, call.automatic_cache))
    return body


def _message(turn: Turn, counter: TokenCounter) -> dict[str, Any]:
    return {"role": turn.role, "content": [_block(part, counter) for part in turn.parts]}


def _block(part: Part, counter: TokenCounter) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": write_out(part.content, counter)}
    if isinstance(part, ToolUse):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": dict(part.arguments)}
    text = write_out(part.content, counter)
    return {"type": "tool_result", "tool_use_id": part.use_id, "content": text, "is_error": part.is_error}


def reply_of(message: dict[str, Any]) -> Reply:
    """The reply in a whole message of the API's; blocks that the lab does not know are left out."""
    parts: list[Text | ToolUse] = []
    for block in message["content"]:
        if block["type"] == "text":
            parts.append(Text(block["text"]))
        elif block["type"] == "tool_use":
            parts.append(ToolUse(block["id"], block["name"], block["input"], canonical(block["input"])))
    tokens = message["usage"]["output_tokens"]
    return Reply(message["id"], message["model"], tuple(parts), tokens, message["stop_reason"] or "")


class StreamedAnswer:
    """A message put together from its events; what was to be seen when is its `observer`'s to tell."""

    __slots__ = ("_blocks", "_message", "_rest", "error", "observer")

    def __init__(self) -> None:
        self.observer = AnswerObserver(streamed=True)
        self.error: dict[str, Any] | None = None
        self._message: dict[str, Any] = {}
        self._blocks: list[tuple[dict[str, Any], list[str]]] = []
        self._rest = b""

    def feed(self, chunk: bytes, now_us: int) -> None:
        """Take the next bytes of the body, which arrived at `now_us`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                event = json.loads(line[5:])
                self.observer.see(event, now_us)
                self._add(event)

    def message(self) -> dict[str, Any] | None:
        """The whole message; None where the stream ended before it said how the message did."""
        if self._message.get("stop_reason") is None:
            return None
        content = []
        for block, pieces in self._blocks:
            if block["type"] == "text":
                content.append({**block, "text": "".join(pieces)})
            elif block["type"] == "tool_use":
                content.append({**block, "input": json.loads("".join(pieces) or "{}")})
        return {**self._message, "content": content}

    def _add(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "message_start":
            self._message = dict(event["message"])
        elif kind == "content_block_start":
            self._blocks.append((event["content_block"], []))
        elif kind == "content_block_delta":
            delta = event["delta"]
            self._blocks[event["index"]][1].append(delta.get("text") or delta.get("partial_json") or "")
        elif kind == "message_delta":
            self._message["stop_reason"] = event["delta"]["stop_reason"]
            self._message["usage"] = {**self._message["usage"], **(event.get("usage") or {})}
        elif kind == "error":
            self.error = event["error"]
