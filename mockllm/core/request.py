"""A request as the model sees it, free of any provider's wire form: blocks in render order, and breakpoints.

Two requests share a cache prefix exactly where their blocks' digests agree from the start; token counts follow the
profile's rule. The sim world builds requests from the lab's own conversation and the server from JSON, both through
the constructors here, so that the two worlds cannot disagree.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from mockllm.core.identity import Identity
from mockllm.core.passage import Content, Passage, recognise
from mockllm.core.profile import Tokens

__all__ = [
    "FIVE_MINUTES_US",
    "ONE_HOUR_US",
    "Automatic",
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

    def count(self, text: str) -> int:
        """Tokens of `text`."""
        return -(-len(text) * 1000 // self._thousandths)

    def characters(self, tokens: int) -> int:
        """A length, in characters, that counts as exactly `tokens`."""
        return tokens * self._thousandths // 1000


class Block:
    """One block of the prompt. `level` is tools, system or messages; `characters` is the length of its text.

    What tells it apart is its kind, its owner (a role, or the id of a tool call) and its content; that is only written
    down and hashed where somebody asks for `digest`, since a prompt that is not cached needs no hash. `cache_control`
    itself is no part of it: clients move markers between turns (protocol: prompt caching).
    """

    __slots__ = ("characters", "content", "eligible", "kind", "level", "owner", "tokens")

    def __init__(
        self, level: str, tokens: int, kind: str, owner: str, content: Content, characters: int, eligible: bool = True
    ) -> None:
        self.level = level
        self.tokens = tokens
        self.kind = kind
        self.owner = owner
        self.content = content
        self.characters = characters
        self.eligible = eligible

    def named(self) -> bytes:
        """Its identity in bytes: a text by itself, a passage by its tag. Lengths keep the parts apart."""
        marked, text = "text", self.content
        passage = text if isinstance(text, Passage) else recognise(text) if text[:1] == "[" else None
        if passage is not None:
            tag = passage.tag()
            # A passage too short for its own tag is no longer told apart by it, so it goes by its text.
            if self.characters >= len(tag) and (text is passage or text == passage.render(self.characters)):
                marked, text = f"passage {self.characters}", tag
            elif text is passage:
                text = passage.render(self.characters)
        named = f"{self.level} {self.kind} {marked} {len(self.owner)} {self.owner}{text}"
        return named.encode("utf-8", "surrogatepass")

    @property
    def digest(self) -> bytes:
        """16 bytes that two blocks share exactly where they are the same."""
        return blake2b(self.named(), digest_size=_DIGEST_BYTES).digest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Block):
            return NotImplemented
        return (self.tokens, self.eligible, self.named()) == (other.tokens, other.eligible, other.named())

    def __hash__(self) -> int:
        return hash(self.named())


@dataclass(slots=True)
class Breakpoint:
    """A cache breakpoint after block number `index`, whose entry lives `ttl_us` after its last use."""

    index: int
    ttl_us: int


class Automatic(NamedTuple):
    """What a request says to a cache that asks for no markers (protocol page: OpenAI, caching).

    `ends` are the blocks with which a message of the client's ends and `marks` those after which it wants a breakpoint,
    both in ascending order; with `implicit` the service places one of its own. A life that is asked for, in
    microseconds, is a `retention_us` or a `ttl_us`, whichever the model's rule takes.
    """

    ends: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()
    implicit: bool = True
    retention_us: int | None = None
    ttl_us: int | None = None


@lru_cache(maxsize=256)
def _start(scope: str) -> bytes:
    return blake2b(scope.encode(), digest_size=_DIGEST_BYTES).digest()


class Prefix:
    """The prompt as a growing chain: `hashes[i + 1]` names everything up to block i, `totals[i + 1]` counts it.

    Extending keeps what was hashed before, so a conversation of n turns is hashed once and not n times, and only where
    it is asked for. A request holds a chain together with the number of blocks of it that it sends.
    """

    __slots__ = ("_hashes", "_salts", "blocks", "totals")

    def __init__(self, scope: str) -> None:
        # Entries belong to one model and one workspace; the scope starts the chain.
        self.blocks: list[Block] = []
        self.totals: list[int] = [0]
        self._hashes: list[bytes] = [_start(scope)]
        self._salts: dict[int, bytes] = {}

    def append(self, block: Block, salt: bytes = b"") -> None:
        """Add `block`; `salt` carries what else invalidates the cache from this block on (tool_choice, thinking)."""
        if salt:
            self._salts[len(self.blocks)] = salt
        self.blocks.append(block)
        self.totals.append(self.totals[-1] + block.tokens)

    @property
    def hashes(self) -> list[bytes]:
        """The chain's hashes so far, the scope's first."""
        hashes, blocks = self._hashes, self.blocks
        for index in range(len(hashes) - 1, len(blocks)):
            joined = hashes[-1] + self._salts.get(index, b"") + blocks[index].named()
            hashes.append(blake2b(joined, digest_size=_DIGEST_BYTES).digest())
        return hashes

    def __len__(self) -> int:
        return len(self.blocks)

    def copy(self) -> Prefix:
        """The same chain so far, to be extended apart from this one."""
        twin = Prefix.__new__(Prefix)  # without starting a chain that is replaced at once
        twin.blocks, twin.totals = self.blocks.copy(), self.totals.copy()
        twin._hashes, twin._salts = self._hashes.copy(), self._salts.copy()  # noqa: SLF001  # its own class
        return twin


@dataclass(slots=True)
class Request:
    """What the emulator is asked: `size` blocks of `prefix`, breakpoints in ascending order, and the output limits.

    `tools` are those that the answer may call; `answers_tools` says that the last user turn brings their results,
    `must_call` that this one has to call one, which models do without a word, and `one_call` that it may call no two.
    `counted` is the prompt's length in tokens where it has no breakpoints and the prefix was not made to hold it.
    `stop_sequences` end the text before them; `output_schema` is the JSON Schema that the text must be valid against.
    `thinking` says how thinking is shown, "" (there is none), "summarized" or "omitted"; `thinking_most` limits it.
    `workspace` names whose cache it is, `cache_key` the provider's routing hint, and `previous_id` the message that a
    client compares its cache with: None where it does not ask, "" where it only will. A default speaker says at least
    `least_tokens`. `automatic` is what it says to a cache that asks for no markers, where its protocol has one.
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
    counted: int | None = None
    stop_sequences: tuple[str, ...] = ()
    output_schema: dict[str, Any] | None = None
    thinking: str = ""
    thinking_most: int | None = None
    workspace: str = "default"
    cache_key: str = ""
    previous_id: str | None = None
    must_call: bool = False
    speed: str = "standard"
    least_tokens: int = 0
    one_call: bool = False
    automatic: Automatic | None = None

    @property
    def total_tokens(self) -> int:
        return self.prefix.totals[self.size] if self.counted is None else self.counted

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


def tool_block(definition: dict[str, Any], counter: TokenCounter) -> Block:
    """A tool's definition; keys are sorted, since clients write them in whatever order."""
    text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Block("tools", counter.count(text), "tool", "", text, len(text))


def write_out(content: Content, counter: TokenCounter) -> str:
    """`content` as text."""
    return content.render(counter.characters(content.tokens)) if isinstance(content, Passage) else content


def system_block(content: Content, counter: TokenCounter) -> Block:
    """One text block of the system prompt; a plain string is a single such block."""
    return _content_block("system", "text", "system", content, counter)


def text_block(role: str, content: Content, counter: TokenCounter) -> Block:
    """A text block said by `role`; an empty one may carry no breakpoint."""
    return _content_block("messages", "text", role, content, counter)


def tool_use_block(use_id: str, name: str, text: str, counter: TokenCounter) -> Block:
    """A tool call of the assistant's, its arguments as canonical JSON. Its id names the call and counts as nothing."""
    tokens = counter.count(name) + counter.count(text)
    return Block("messages", tokens, "tool_use", f"{len(use_id)} {use_id}{name}", text, len(text))


def tool_result_block(use_id: str, content: Content, is_error: bool, counter: TokenCounter) -> Block:
    """What a tool returned, as text; an empty one may carry a breakpoint all the same."""
    block = _content_block("messages", "failure" if is_error else "result", use_id, content, counter)
    block.eligible = True
    return block


def _content_block(level: str, kind: str, owner: str, content: Content, counter: TokenCounter) -> Block:
    if isinstance(content, Passage):
        tokens, characters = content.tokens, counter.characters(content.tokens)
    else:
        tokens, characters = counter.count(content), len(content)
    return Block(level, tokens, kind, owner, content, characters, tokens > 0)


def opaque_block(role: str, content: object, tokens: int, *, eligible: bool) -> Block:
    """Any other content (image, document, thinking): hashed whole, with a token count the protocol decides."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Block("messages", tokens, "opaque", role, text, len(text), eligible)
