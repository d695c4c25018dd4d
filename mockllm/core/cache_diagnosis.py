"""Why a prompt missed the cache: what changed since an answer that the client names (protocol: prompt caching,
diagnostics).

A prompt is remembered by the hashes of its chain where its tools end, where its system prompt ends, and at its very
end; the first of them that the new prompt does not share says what changed.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from mockllm.core.request import Request

__all__ = ["CacheDiagnosis", "MissReason"]

MissReason: TypeAlias = dict[str, object]
"""`type`, and for what changed `cache_missed_input_tokens`: the tokens that could have been read, and were not."""

_MOST_ANSWERS = 4096


class _Asked(NamedTuple):
    """A prompt: its chain's hash where each level ends, the blocks of its messages, and how much of it was cached."""

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
        self._answers: dict[tuple[str, str], _Asked] = {}

    def remember(self, request: Request, message_id: str, cached_tokens: int) -> None:
        """Keep what `message_id` was the answer to; `cached_tokens` of its prompt are in the cache from then on."""
        self._answers[request.workspace, message_id] = _asked(request, None, cached_tokens)
        if len(self._answers) > _MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]

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
        for level in ("model", "tools", "system", "messages"):
            if getattr(now, level) != getattr(before, level):
                return {"type": f"{level}_changed", "cache_missed_input_tokens": missed}
        return {"type": "unavailable"}


def _asked(request: Request, blocks: int | None, cached_tokens: int) -> _Asked:
    """`request` as far as its first `blocks` blocks of messages (None: all of them)."""
    prefix, size = request.prefix, request.size
    before_messages = sum(block.level != "messages" for block in prefix.blocks[:size])
    tools = sum(block.level == "tools" for block in prefix.blocks[:size])
    end = size if blocks is None else min(size, before_messages + blocks)
    hashes = prefix.hashes
    return _Asked(
        request.model, hashes[tools], hashes[before_messages], hashes[end], end - before_messages, cached_tokens
    )
