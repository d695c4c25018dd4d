"""A body as the prompt that the model sees: blocks in render order, with the cache markers that stand on them.

Tools come first, then the system prompt, then messages. A plain string is one text block, and a tool result's text
blocks are one text: clients flip between the forms from turn to turn, and to the cache they are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from mockllm.core.request import (
    Block,
    Breakpoint,
    Prefix,
    TokenCounter,
    canonical,
    opaque_block,
    scope,
    system_block,
    text_block,
    tool_block,
    tool_result_block,
    tool_use_block,
)
from mockllm.protocols.anthropic_body import Body, CacheControl, ContentBlock, OtherBlock, blocks_of, parts_of
from mockllm.protocols.anthropic_breakpoints import Mark, breakpoints
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["Prompt", "render"]

# Assumed, since nothing is decoded here: an image of the largest size that the API does not scale down, and a document
# of two pages (the vision and PDF pages: width x height / 750, and 1,500 to 3,000 tokens a page).
_IMAGE_TOKENS = 1600
_DOCUMENT_TOKENS = 4000


class _Salts(NamedTuple):
    """What else invalidates the cache from a level on: `system` from the first block after the tools, `messages` from
    the first message (protocol: prompt caching, invalidation)."""

    system: bytes
    messages: bytes


_NO_SALTS = _Salts(b"", b"")
_SALTING = frozenset({"speed", "thinking", "tool_choice", "tools"})  # the fields that can


@dataclass(slots=True)
class Prompt:
    """A prompt in render order: its chain of blocks, the markers on them, and the tools' plain definitions."""

    prefix: Prefix
    salts: _Salts
    model: str
    workspace: str
    tools: list[dict[str, Any]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def add(self, block: Block, marker: CacheControl | None = None, *path: str | int) -> None:
        """Append `block`, which may carry a marker, and then stands at `path` of the body."""
        prefix, salts = self.prefix, self.salts
        salt = b""
        if salts is not _NO_SALTS:
            before = prefix.blocks[-1].level if prefix.blocks else "tools"
            salt = salts.system if before == "tools" != block.level else b""
            if before != "messages" == block.level:
                salt += salts.messages
        if marker is not None:
            where = ".".join([*map(str, path), "cache_control"])
            if not block.eligible:
                raise ApiError(400, f"{where}: cache_control cannot be set for empty text blocks")
            self.marks.append(Mark(len(prefix), marker.get("ttl", "5m"), where))
        prefix.append(block, salt)

    def breakpoints(self, body: Body, most: int) -> tuple[Breakpoint, ...]:
        """The marked blocks, and the one that automatic caching marks. Raises `ApiError` as `breakpoints` does."""
        automatic = body.get("cache_control")
        ttl = automatic.get("ttl", "5m") if automatic is not None else None
        return breakpoints(self.marks, ttl, self.prefix.blocks, most)

    def content(self) -> bytes:
        """A hash of what is asked, whoever asks: the credential takes no part."""
        parts = [self.model.encode("utf-8", "surrogatepass"), *self.salts]
        parts += [block.digest for block in self.prefix.blocks]
        return blake2b(b"".join(parts), digest_size=16).digest()


def render(body: Body, workspace: str, counter: TokenCounter) -> Prompt:
    """`body` as a prompt whose prefixes are private to `workspace`.

    Raises `ApiError` 400 for a cache marker on an empty block.
    """
    model, messages = body["model"], body["messages"]
    blocks = [block for message in messages for block in blocks_of(message)]
    rendered = Prompt(Prefix(scope(model, workspace)), _salts(body, blocks), model, workspace)
    for number, tool in enumerate(body.get("tools") or ()):
        definition = {name: held for name, held in tool.items() if name != "cache_control"}
        rendered.tools.append(definition)
        rendered.add(tool_block(definition, counter), tool.get("cache_control"), "tools", number)
    system = body.get("system")
    if isinstance(system, str):
        rendered.add(system_block(system, counter))
    else:
        for number, text in enumerate(system or ()):
            rendered.add(system_block(text["text"], counter), text.get("cache_control"), "system", number)
    for number, message in enumerate(messages):
        role, content = message["role"], message.get("content", ())
        if isinstance(content, str):
            rendered.add(text_block(role, content, counter))
            continue
        for place, block in enumerate(content):
            rendered.add(_message_block(role, block, counter), _marker(block), "messages", number, "content", place)
    return rendered


def _message_block(role: str, block: ContentBlock, counter: TokenCounter) -> Block:
    if block["type"] == "text":
        return text_block(role, block["text"], counter)
    if block["type"] == "tool_use":
        return tool_use_block(block["id"], block["name"], canonical(block["input"]), counter)
    if block["type"] == "tool_result":
        content, parts = block.get("content"), parts_of(block)
        texts = [part["text"] for part in parts if part["type"] == "text"]
        if len(texts) == len(parts):
            text = content if isinstance(content, str) else "".join(texts)
            return tool_result_block(block["tool_use_id"], text, bool(block.get("is_error")), counter)
        tokens = sum([counter.count(text) for text in texts])
        tokens += sum([_other_tokens(part, counter) for part in parts if part["type"] != "text"])
        return opaque_block(role, _content(block), tokens, eligible=True)
    if block["type"] == "thinking":
        return opaque_block(role, _content(block), counter.count(block["thinking"]), eligible=False)
    if block["type"] == "redacted_thinking":
        return opaque_block(role, _content(block), counter.count(block["data"]), eligible=False)
    return opaque_block(role, _content(block), _other_tokens(block, counter), eligible=True)


def _content(block: ContentBlock) -> Any:
    """What tells `block` apart, without what is null, which says no more than what is absent."""
    said = {name: held for name, held in block.items() if held is not None}
    if block["type"] == "tool_result":
        said["content"] = [_content(part) for part in parts_of(block)]
    return _unmarked(said)


def _unmarked(value: Any) -> Any:
    """`value` without any cache marker in it: markers move from turn to turn, and the content is the same."""
    if isinstance(value, dict):
        return {name: _unmarked(held) for name, held in value.items() if name != "cache_control"}
    return [_unmarked(held) for held in value] if isinstance(value, list) else value


def _marker(block: ContentBlock) -> CacheControl | None:
    """The block's own marker, or that of the last marked part of a tool result, which is one block to the cache."""
    if block["type"] == "thinking" or block["type"] == "redacted_thinking":
        return None
    marker = block.get("cache_control")
    if marker is None and block["type"] == "tool_result":
        inner = [part.get("cache_control") for part in reversed(parts_of(block))]
        return next((held for held in inner if held is not None), None)
    return marker


def _other_tokens(block: OtherBlock, counter: TokenCounter) -> int:
    source = _extra(block).get("source")
    if block["type"] == "image":
        return _IMAGE_TOKENS
    if block["type"] == "document" and isinstance(source, dict) and source.get("type") in ("base64", "url", "file"):
        return _DOCUMENT_TOKENS
    return counter.count(canonical(_content(block)))


def _salts(body: Body, blocks: Sequence[ContentBlock]) -> _Salts:
    if not blocks and _SALTING.isdisjoint(body):
        return _NO_SALTS
    choice, thinking = body.get("tool_choice"), body.get("thinking")
    parts: list[str] = []
    if choice is not None and (choice["type"] != "auto" or choice.get("disable_parallel_tool_use")):
        parts.append(canonical({name: held for name, held in choice.items() if held is not None}))
    if thinking is not None and thinking["type"] != "disabled":
        parts.append(canonical(thinking))
    # Assumed: what counts is whether there are images at all, since a growing conversation with images is known to hit.
    if any(map(_is_image, blocks)):
        parts.append("images")
    before_messages = ["fast"] if body.get("speed") == "fast" else []
    if any((tool.get("type") or "").startswith("web_search") for tool in body.get("tools") or ()):
        before_messages.append("web search")
    if any(map(_is_cited, blocks)):
        before_messages.append("citations")
    if not (parts or before_messages):
        return _NO_SALTS
    return _Salts("\x1f".join(before_messages).encode(), "\x1f".join(parts).encode("utf-8", "surrogatepass"))


def _is_cited(block: ContentBlock) -> bool:
    """Whether citations are switched on for a document or a search result."""
    citations = _extra(block).get("citations")
    return isinstance(citations, dict) and citations.get("enabled") is True


def _is_image(block: ContentBlock) -> bool:
    if block["type"] == "tool_result":
        return any(part["type"] == "image" for part in parts_of(block))
    return block["type"] == "image"


def _extra(block: ContentBlock) -> Mapping[str, Any]:
    """The block with whatever else it has."""
    return cast(Mapping[str, Any], block)
