"""Why a prompt missed the cache: what changed since an answer that the client names (protocol: prompt caching,
diagnostics; the SDK's own words on each reason).

A prompt is remembered by its model and speed, by a hash of its tools, one of its system prompt and one of its messages;
the first of them that the new prompt does not share is the reason. What invalidates the cache besides (thinking,
tool_choice) changes none of them, so it is no reason that is named.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from mockllm.core.request import Request

__all__ = ["CacheDiagnosis", "MissReason"]

MissReason: TypeAlias = dict[str, object]
"""`type`, and for what changed `cache_missed_input_tokens`: the tokens that could have been read, and were not."""

_MOST_ANSWERS = 4096
_LEVELS = ("tools", "system", "messages")
_DIGEST_BYTES = 16


class _Asked(NamedTuple):
    """A prompt: what it asks and of whom, the blocks of its messages, and how much of it was cached."""

    model: str
    tools: bytes
    system: bytes
    messages: bytes
    blocks: int
    cached_tokens: int


class CacheDiagnosis:
    """Remembers the prompts of the last 4,096 answers to whoever asks for diagnostics, by workspace and message id."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], _Asked] = OrderedDict()

    def remember(self, request: Request, message_id: str, cached_tokens: int) -> None:
        """Keep what `message_id` was the answer to; `cached_tokens` of its prompt are in the cache from then on."""
        self._answers[request.workspace, message_id] = _asked(request, None, cached_tokens)
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)

    def explain(self, request: Request, read_tokens: int) -> MissReason | None:
        """Why `request`, of which `read_tokens` were read, did not read all that the named answer had left; else None.

        A prompt that only grew, and still was not read, has lost its entry: nothing in it explains that.
        """
        if not request.previous_id:
            return None
        before = self._answers.get((request.workspace, request.previous_id))
        if before is None:
            return {"type": "previous_message_not_found"}
        missed = before.cached_tokens - read_tokens
        if missed <= 0:
            return None
        now = _asked(request, before.blocks, 0)
        for level in ("model", *_LEVELS):
            if getattr(now, level) != getattr(before, level):
                return {"type": f"{level}_changed", "cache_missed_input_tokens": missed}
        return {"type": "unavailable"}


def _asked(request: Request, blocks: int | None, cached_tokens: int) -> _Asked:
    """`request` as far as its first `blocks` blocks of messages (None: all of them)."""
    hashed = {level: blake2b(digest_size=_DIGEST_BYTES) for level in _LEVELS}
    seen = 0
    for block in request.prefix.blocks[: request.size]:
        if block.level == "messages":
            if seen == blocks:
                break
            seen += 1
        hashed[block.level].update(block.digest)
    tools, system, messages = (hashed[level].digest() for level in _LEVELS)
    return _Asked(f"{request.model} {request.speed}", tools, system, messages, seen, cached_tokens)
