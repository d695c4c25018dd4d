"""Names and padding that OpenAI's endpoints share: an answer's digits in its own ids, and the obfuscation of chunks."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from mockllm.core.reply import Reply, ToolUse

__all__ = ["call_id", "digits", "padding"]

_WIDTH = 16


def digits(reply: Reply) -> str:
    """What no other answer's id has in it."""
    return reply.id.removeprefix("msg_01")


def call_id(part: ToolUse) -> str:
    """The id by which a client answers the call."""
    return f"call_{part.id.removeprefix('toolu_01')}"


def padding(reply_id: str, number: int, length: int) -> str:
    """Characters that bring a chunk's text of `length` to the next multiple of 16, so that its size tells little.

    They depend on the answer and on the chunk's `number` in it, so the same answer has the same bytes.
    """
    source, start = _source(reply_id), number * 7 % 64
    return source[start : start + _WIDTH - length % _WIDTH]


@lru_cache(maxsize=64)
def _source(reply_id: str) -> str:
    return blake2b(reply_id.encode()).hexdigest()
