"""From the Anthropic wire to a `Request`: headers and body of `POST /v1/messages`, checked in the API's order.

Blocks are rendered tools, system, messages. A plain string is one text block, and a tool result's text blocks are one
text: clients flip between the forms from turn to turn, and to the cache they are the same (protocol: prompt caching).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from mockllm.core.identity import CALL_HEADER, BadCallPath, Identity, Occurrences, check_path
from mockllm.core.profile import Profile
from mockllm.core.request import (
    Block,
    Breakpoint,
    Prefix,
    Request,
    TokenCounter,
    canonical,
    opaque_block,
    system_block,
    text_block,
    tool_block,
    tool_result_block,
    tool_use_block,
)
from mockllm.protocols.anthropic_body import (
    Body,
    CacheControl,
    ContentBlock,
    OtherBlock,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    read_body,
)
from mockllm.protocols.anthropic_breakpoints import Mark, breakpoints
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.anthropic_turns import answers_tools, check_tool_calls

__all__ = ["DEFAULT_WORKSPACE", "RequestReader", "scope"]

DEFAULT_WORKSPACE = "default"
_VERSIONS = ("2023-06-01", "2026-10-21")
_NO_SAMPLING = "2026-10-21"
_SAMPLING = ("temperature", "top_p", "top_k")
# Assumed, since nothing is decoded here: an image of the largest size that the API does not scale down, and a document
# of two pages (the vision and PDF pages: width x height / 750, and 1,500 to 3,000 tokens a page).
_IMAGE_TOKENS = 1600
_DOCUMENT_TOKENS = 4000


def scope(model: str, workspace: str = DEFAULT_WORKSPACE) -> str:
    """The name under which a prompt's prefixes are kept: cache entries belong to one model and one workspace."""
    return f"{model}\x1f{workspace}"


@dataclass(slots=True)
class RequestReader:
    """Reads the requests of one run; `occurrences` counts those without a call path."""

    profile: Profile
    counter: TokenCounter
    occurrences: Occurrences

    def read(self, headers: Mapping[str, str], raw: bytes) -> Request:
        """The request that is asked, or the first reason to refuse it, raised as `ApiError`.

        The order: credentials, version, JSON, schema, model, limits (protocol page: section 9).
        """
        path, body, rendered = self._render(headers, raw)
        if body.max_tokens is None:
            raise ApiError(400, "max_tokens: Field required")
        self._check_model(body)
        self._check_limits(body, body.max_tokens, rendered.prefix)
        identity = Identity(path) if path is not None else self.occurrences.identify(rendered.content())
        return Request(
            identity=identity,
            model=body.model,
            prefix=rendered.prefix,
            size=len(rendered.prefix),
            breakpoints=rendered.breakpoints(body, round(self.profile.cache.breakpoints.value)),
            max_tokens=body.max_tokens,
            stream=bool(body.stream),
            tools=_callable_tools(body, rendered.tools),
            answers_tools=answers_tools(body.messages) and not _must_call(body),
        )

    def count(self, headers: Mapping[str, str], raw: bytes) -> int:
        """Tokens of the prompt in a `count_tokens` body; nothing is cached. Raises `ApiError` as `read` does."""
        _, body, rendered = self._render(headers, raw)
        for name in ("max_tokens", "stream"):
            if getattr(body, name) is not None:
                raise ApiError(400, f"{name}: Extra inputs are not permitted")
        self._check_model(body)
        return rendered.prefix.totals[-1]

    def _render(self, headers: Mapping[str, str], raw: bytes) -> tuple[str | None, Body, _Rendered]:
        credential = _credential(headers)
        version = _version(headers)
        path = _path(headers)
        body, plain = read_body(raw)
        _check_version(body, version)
        if not body.messages:
            raise ApiError(400, "messages: at least one message is required")
        check_tool_calls(body.messages)
        workspace = headers.get("anthropic-workspace-id") or blake2b(credential, digest_size=8).hexdigest()
        try:
            return path, body, _render(body, plain, scope(body.model, workspace), self.counter)
        except RecursionError:
            raise ApiError(400, "The request body is not valid JSON: nested too deeply") from None

    def _check_model(self, body: Body) -> None:
        if body.model != self.profile.model:
            raise ApiError(404, f"model: {body.model}")

    def _check_limits(self, body: Body, max_tokens: int, prefix: Prefix) -> None:
        most = self.profile.max_output_tokens
        if max_tokens > most:
            raise ApiError(
                400,
                f"max_tokens: {max_tokens} > {most}, which is the maximum allowed number of output tokens for "
                f"{body.model}",
            )
        if max_tokens == 0:
            _check_prewarming(body)
        total, window = prefix.totals[-1], self.profile.max_input_tokens
        if total > window:
            raise ApiError(400, f"prompt is too long: {total} tokens > {window} maximum")


class _Salts(NamedTuple):
    """What else invalidates the cache from a level on: `system` from the first block after the tools, `messages` from
    the first message (protocol: prompt caching, invalidation)."""

    system: bytes
    messages: bytes


@dataclass(slots=True)
class _Rendered:
    prefix: Prefix
    salts: _Salts
    model: str
    tools: list[dict[str, Any]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def add(self, block: Block, marker: CacheControl | None, path: str) -> None:
        before = self.prefix.blocks[-1].level if self.prefix.blocks else "tools"
        salt = self.salts.system if before == "tools" != block.level else b""
        if before != "messages" == block.level:
            salt += self.salts.messages
        if marker is not None:
            if not block.eligible:
                raise ApiError(400, f"{path}.cache_control: cache_control cannot be set for empty text blocks")
            self.marks.append(Mark(len(self.prefix), marker.ttl, f"{path}.cache_control"))
        self.prefix.append(block, salt)

    def breakpoints(self, body: Body, most: int) -> tuple[Breakpoint, ...]:
        automatic = body.cache_control.ttl if body.cache_control is not None else None
        return breakpoints(self.marks, automatic, self.prefix.blocks, most)

    def content(self) -> bytes:
        """A hash of what is asked, whoever asks: the credential takes no part."""
        hashed = blake2b(self.model.encode("utf-8", "surrogatepass"), digest_size=16)
        for part in (*self.salts, *(block.digest for block in self.prefix.blocks)):
            hashed.update(part)
        return hashed.digest()


def _render(body: Body, plain: dict[str, Any], named: str, counter: TokenCounter) -> _Rendered:
    rendered = _Rendered(Prefix(named), _salts(body, plain), body.model)
    for number, tool in enumerate(body.tools or ()):
        definition = _unmarked(plain["tools"][number])
        rendered.tools.append(definition)
        rendered.add(tool_block(definition, counter), tool.cache_control, f"tools.{number}")
    for number, text in enumerate(body.system or ()):
        rendered.add(system_block(text.text, counter), text.cache_control, f"system.{number}")
    for number, message in enumerate(body.messages):
        for place, block in enumerate(message.content):
            path = f"messages.{number}.content.{place}"
            rendered.add(_message_block(message.role, block, counter), _marker(block), path)
    return rendered


def _message_block(role: str, block: ContentBlock, counter: TokenCounter) -> Block:
    match block:
        case TextBlock():
            return text_block(role, block.text, counter)
        case ToolUseBlock():
            return tool_use_block(block.id, block.name, block.input, counter)
        case ToolResultBlock():
            parts = block.content or []
            texts = [part.text for part in parts if isinstance(part, TextBlock)]
            if len(texts) == len(parts):
                return tool_result_block(block.tool_use_id, "".join(texts), bool(block.is_error), counter)
            tokens = sum(
                counter.count(part.text) if isinstance(part, TextBlock) else _other_tokens(part, counter)
                for part in parts
            )
            return opaque_block(role, _content(block), tokens, eligible=True)
        case ThinkingBlock():
            return opaque_block(role, _content(block), counter.count(block.thinking), eligible=False)
        case RedactedThinkingBlock():
            return opaque_block(role, _content(block), counter.count(block.data), eligible=False)
        case OtherBlock():
            return opaque_block(role, _content(block), _other_tokens(block, counter), eligible=True)


def _content(block: ContentBlock) -> Any:
    return _unmarked(block.model_dump(exclude_none=True))


def _unmarked(value: Any) -> Any:
    """`value` without any cache marker in it: markers move from turn to turn, and the content is the same."""
    if isinstance(value, dict):
        return {name: _unmarked(held) for name, held in value.items() if name != "cache_control"}
    return [_unmarked(held) for held in value] if isinstance(value, list) else value


def _marker(block: ContentBlock) -> CacheControl | None:
    """The block's own marker, or that of the last marked part of a tool result, which is one block to the cache."""
    if isinstance(block, ThinkingBlock | RedactedThinkingBlock):
        return None
    if block.cache_control is None and isinstance(block, ToolResultBlock):
        inner = [part.cache_control for part in block.content or () if part.cache_control is not None]
        return inner[-1] if inner else None
    return block.cache_control


def _other_tokens(block: OtherBlock, counter: TokenCounter) -> int:
    source = (block.model_extra or {}).get("source")
    if block.type == "image":
        return _IMAGE_TOKENS
    if block.type == "document" and isinstance(source, dict) and source.get("type") in ("base64", "url", "file"):
        return _DOCUMENT_TOKENS
    return counter.count(canonical(_content(block)))


def _salts(body: Body, plain: dict[str, Any]) -> _Salts:
    choice, thinking = body.tool_choice, body.thinking
    parts: list[str] = []
    if choice is not None and (choice.type != "auto" or choice.disable_parallel_tool_use):
        parts.append(canonical(choice.model_dump(exclude_none=True)))
    if thinking is not None and thinking.type != "disabled":
        parts.append(canonical(plain["thinking"]))
    # Assumed: what counts is whether there are images at all, since a growing conversation with images is known to hit.
    if any(_is_image(block) for message in body.messages for block in message.content):
        parts.append("images")
    return _Salts(b"fast" if body.speed == "fast" else b"", "\x1f".join(parts).encode("utf-8", "surrogatepass"))


def _is_image(block: ContentBlock) -> bool:
    if isinstance(block, ToolResultBlock):
        return any(part.type == "image" for part in block.content or ())
    return block.type == "image"


def _callable_tools(body: Body, definitions: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The client's tools that this turn may call."""
    choice = body.tool_choice
    if choice is not None and choice.type == "none":
        return ()
    wanted = choice.name if choice is not None and choice.type == "tool" else None
    return tuple(
        [
            definition
            for tool, definition in zip(body.tools or (), definitions, strict=True)
            if tool.is_client_s and wanted in (None, tool.name)
        ]
    )


def _must_call(body: Body) -> bool:
    return body.tool_choice is not None and body.tool_choice.type in ("any", "tool")


def _credential(headers: Mapping[str, str]) -> bytes:
    """The API key or bearer token, whichever of the two headers holds it; only the lack of both is refused."""
    key = headers.get("x-api-key", "").strip()
    bearer = headers.get("authorization", "").strip()
    token = bearer[7:].strip() if bearer[:7].lower() == "bearer " else ""
    if not (key or token):
        raise ApiError(
            401, "authentication failed: send a key in `Authorization: Bearer …` or in `x-api-key`; any will do"
        )
    return (key or token).encode("utf-8", "surrogatepass")


def _version(headers: Mapping[str, str]) -> str:
    version = headers.get("anthropic-version", "")
    if not version:
        raise ApiError(400, "anthropic-version: header is required")
    if version not in _VERSIONS:
        raise ApiError(400, f"anthropic-version: {version!r} is not a valid version; use {' or '.join(_VERSIONS)}")
    return version


def _path(headers: Mapping[str, str]) -> str | None:
    path = headers.get(CALL_HEADER)
    if path is None:
        return None
    try:
        return check_path(path)
    except BadCallPath as error:
        raise ApiError(400, str(error)) from None


def _check_version(body: Body, version: str) -> None:
    """What API version 2026-10-21 no longer takes (protocol page: section 0)."""
    if version != _NO_SAMPLING:
        return
    for name in _SAMPLING:
        if getattr(body, name) is not None:
            raise ApiError(400, f"{name}: Extra inputs are not permitted in anthropic-version {version}")
    for number, message in enumerate(body.messages):
        for place, block in enumerate(message.content):
            path = f"messages.{number}.content.{place}"
            if message.role == "assistant" and block.type == "document":
                raise ApiError(400, f"{path}: `document` blocks cannot be in `assistant` messages")
            if message.role == "user" and isinstance(block, TextBlock) and block.citations:
                raise ApiError(400, f"{path}.citations: text in a `user` message cannot have citations")


def _check_prewarming(body: Body) -> None:
    """What cannot go with `max_tokens: 0`, which only fills the cache (protocol: prompt caching, pre-warm)."""
    thinking, output, choice = body.thinking, body.output_config, body.tool_choice
    refused = {
        "stream": bool(body.stream),
        "thinking": thinking is not None and thinking.type != "disabled",
        "output_config.format": output is not None and output.format is not None,
        "tool_choice": choice is not None and choice.type in ("any", "tool"),
    }
    for name, present in refused.items():
        if present:
            raise ApiError(400, f"{name}: not possible with max_tokens 0, which fills the cache and says nothing")
