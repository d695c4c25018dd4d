"""Reads an agent's own traffic as it passes: what a client that is not ours was answered, and when it could see it."""

from __future__ import annotations

import json
from typing import Any

from mockllm.core.usage import Usage

__all__ = ["AnswerObserver"]


class AnswerObserver:
    """Fed the bytes of one Messages answer as they arrive, streamed or not; raw, with no SDK between.

    `first_us` is the arrival of the first visible text or tool byte (None until then), `usage` what the answer
    reported, `tool_uses` how many tool calls it held.
    """

    def __init__(self, *, streamed: bool) -> None:
        self.first_us: int | None = None
        self.tool_uses = 0
        self._streamed = streamed
        self._rest = b""
        self._usage: dict[str, Any] = {}

    def feed(self, chunk: bytes, now_us: int) -> None:
        """Take the next bytes, which arrived at `now_us`."""
        self._rest += chunk
        if not self._streamed:
            return
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self.see(json.loads(line[5:]), now_us)

    def finish(self, now_us: int) -> None:
        """The answer is over, or its reader gave up; of a body that was cut there is nothing to tell."""
        if not self._streamed:
            message = _whole(self._rest)
            self._usage = message.get("usage") or {}
            self.tool_uses = sum(block["type"] == "tool_use" for block in message.get("content", ()))
        if self.first_us is None:
            self.first_us = now_us

    @property
    def usage(self) -> Usage:
        """The answer's own accounting; zero where it was cut before it reported any."""
        written = self._usage.get("cache_creation") or {}
        return Usage(
            self._usage.get("input_tokens", 0),
            self._usage.get("cache_read_input_tokens") or 0,
            written.get("ephemeral_5m_input_tokens", 0),
            written.get("ephemeral_1h_input_tokens", 0),
            self._usage.get("output_tokens", 0),
        )

    def see(self, event: dict[str, Any], now_us: int) -> None:
        """Take an event of the stream, which whoever else reads it has parsed, as of `now_us`."""
        kind = event["type"]
        if kind == "message_start":
            self._usage = event["message"]["usage"]
        elif kind == "message_delta":
            reported = event.get("usage") or {}
            self._usage = self._usage | {key: value for key, value in reported.items() if value is not None}
        visible = False
        if kind == "content_block_start" and event["content_block"]["type"] == "tool_use":
            self.tool_uses += 1
            visible = True
        elif kind == "content_block_delta":
            visible = bool(event["delta"].get("text") or event["delta"].get("partial_json"))
        if visible and self.first_us is None:
            self.first_us = now_us


def _whole(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
