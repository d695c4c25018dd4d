"""A request as the model sees it, free of any provider's wire form: blocks in render order, and breakpoints.

Two requests share a cache prefix exactly where their blocks' digests agree from the start; token counts follow the
profile's rule. The sim world builds requests from the lab's own conversation and the server from JSON, both through
the constructors here, so that the two worlds cannot disagree.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from mockllm.core.identity import Identity
from mockllm.core.passage import Content, Passage, recognise
from mockllm.core.profile import Tokens

__all__ = [
    "FIVE_MINUTES_US",
    "ONE_HOUR_US",
    "Block",
    "Breakpoint",
    "Prefix",
    "Request",
    "TokenCounter",
    "canonical",
    "opaque_block",
    "scope",
    "system_block",
    "text_block",
    "tool_block",
    "tool_result_block",
    "tool_use_block",
    "write_out",
]

FIVE_MINUTES_US = 300_000_000
ONE_HOUR_US = 3_600_000_000
_DIGEST_BYTES = 16
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class TokenCounter:
    """Counts tokens by a profile's rule: one for every `characters_per_token` characters begun, in whole arithmetic."""

    __slots__ = ("_thousandths",)

    def __init__(self, rule: Tokens) -> None:
        self._thousandths = max(1000, round(rule.characters_per_token.value * 1000))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenCounter) and self._thousandths == other._thousandths

    def __hash__(self) -> int:
        return hash(self._thousandths)

    def count(self, text: str) -> int:
        """Tokens of `text`."""
        return -(-len(text) * 1000 // self._thousandths)

    def characters(self, tokens: int) -> int:
        """A length, in characters, that counts as exactly `tokens`."""
        return tokens * self._thousandths // 1000


class Block(NamedTuple):
    """One block of the prompt. `level` is tools, system or messages; `digest` identifies level, role and content.

    `cache_control` itself is no part of the digest: clients move markers between turns (protocol: prompt caching).
    """

    level: str
    tokens: int
    digest: bytes
    eligible: bool = True


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A cache breakpoint after block number `index`, whose entry lives `ttl_us` after its last use."""

    index: int
    ttl_us: int


class Prefix:
    """The prompt as a growing chain: after block i, `hashes[i]` names everything up to it and `totals[i]` counts it.

    Extending keeps what was hashed before, so a conversation of n turns is hashed once and not n times. A request holds
    a chain together with the number of blocks of it that it sends.
    """

    __slots__ = ("blocks", "hashes", "totals")

    def __init__(self, scope: str) -> None:
        # Entries belong to one model and one workspace; the scope starts the chain.
        self.blocks: list[Block] = []
        self.hashes: list[bytes] = [blake2b(scope.encode(), digest_size=_DIGEST_BYTES).digest()]
        self.totals: list[int] = [0]

    def append(self, block: Block, salt: bytes = b"") -> None:
        """Add `block`; `salt` carries what else invalidates the cache from this block on (tool_choice, thinking)."""
        self.blocks.append(block)
        joined = self.hashes[-1] + block.digest + salt
        self.hashes.append(blake2b(joined, digest_size=_DIGEST_BYTES).digest())
        self.totals.append(self.totals[-1] + block.tokens)

    def __len__(self) -> int:
        return len(self.blocks)

    def copy(self) -> Prefix:
        """The same chain so far, to be extended apart from this one."""
        twin = Prefix.__new__(Prefix)
        twin.blocks, twin.hashes, twin.totals = self.blocks.copy(), self.hashes.copy(), self.totals.copy()
        return twin


@dataclass(slots=True)
class Request:
    """What the emulator is asked: `size` blocks of `prefix`, breakpoints in ascending order, and the output limits.

    `tools` are those that the answer may call; `answers_tools` says that the last user turn brings their results.
    `hash_after(i)` and `tokens_through(i)` speak of everything up to and including block number i.
    """

    identity: Identity
    model: str
    prefix: Prefix
    size: int
    breakpoints: tuple[Breakpoint, ...]
    max_tokens: int
    stream: bool
    tools: tuple[dict[str, Any], ...] = ()
    answers_tools: bool = False

    @property
    def total_tokens(self) -> int:
        return self.prefix.totals[self.size]

    def hash_after(self, index: int) -> bytes:
        return self.prefix.hashes[index + 1]

    def tokens_through(self, index: int) -> int:
        return self.prefix.totals[index + 1]


def scope(model: str, workspace: str = "default") -> str:
    """What cache entries are private to: one model and one workspace (protocol: prompt caching, isolation)."""
    return f"{model}\x1f{workspace}"


def canonical(value: object) -> str:
    """JSON of `value` in one fixed form. Key order is kept: inside a tool's input it matters to the real cache."""
    return _compact(value)


def _digest(kind: str, owner: str, text: str) -> bytes:
    # The owner's length goes first, so that nothing of it can run into the text.
    joined = f"{kind} {len(owner)} {owner}{text}"
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def tool_block(definition: dict[str, Any], counter: TokenCounter) -> Block:
    """A tool's definition; keys are sorted, since clients write them in whatever order."""
    text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Block("tools", counter.count(text), _digest("tool", "", text))


def _measure(content: Content, counter: TokenCounter) -> tuple[int, str, str]:
    """Tokens of `content`, what it is, and what tells it apart: a text by itself, a passage by its tag."""
    passage = content if isinstance(content, Passage) else recognise(content) if content[:1] == "[" else None
    if passage is not None:
        characters = counter.characters(passage.tokens)
        tag = passage.tag()
        # A passage too short for its own tag is no longer told apart by it, so it goes by its text.
        if characters >= len(tag) and (content is passage or content == passage.render(characters)):
            return passage.tokens, "passage", tag
    text = write_out(content, counter)
    return counter.count(text), "text", text


def write_out(content: Content, counter: TokenCounter) -> str:
    """`content` as text."""
    return content.render(counter.characters(content.tokens)) if isinstance(content, Passage) else content


def system_block(content: Content, counter: TokenCounter) -> Block:
    """One text block of the system prompt; a plain string is a single such block."""
    tokens, kind, text = _measure(content, counter)
    return Block("system", tokens, _digest(kind, "system", text), tokens > 0)


def text_block(role: str, content: Content, counter: TokenCounter) -> Block:
    """A text block said by `role`."""
    tokens, kind, text = _measure(content, counter)
    return Block("messages", tokens, _digest(kind, role, text), tokens > 0)


def tool_use_block(use_id: str, name: str, text: str, counter: TokenCounter) -> Block:
    """A tool call of the assistant's, its arguments as canonical JSON. Its id names the call and counts as nothing."""
    return Block("messages", counter.count(name) + counter.count(text), _digest("tool_use", f"{len(use_id)} {use_id}{name}", text))


def tool_result_block(use_id: str, content: Content, is_error: bool, counter: TokenCounter) -> Block:
    """What a tool returned, as text."""
    tokens, kind, text = _measure(content, counter)
    return Block("messages", tokens, _digest(f"result {is_error} {kind}", use_id, text))


def opaque_block(role: str, content: object, tokens: int, *, eligible: bool) -> Block:
    """Any other content (image, document, thinking): hashed whole, with a token count the protocol decides."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Block("messages", tokens, _digest("opaque", role, text), eligible)
