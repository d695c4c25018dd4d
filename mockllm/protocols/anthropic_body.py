"""The JSON body of `POST /v1/messages` and its validation, with the path-style messages of the real API.

Fields and block types are those of the current SDK, its beta parameters among them; whatever else a client sends is
refused as an extra input. Types are strict, so that what was checked is the JSON itself: a number in quotes is no
number, and nothing is converted, copied or filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Required, TypeAlias, cast

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic's demand before Python 3.12

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.json_body import read_object

__all__ = [
    "Body",
    "CacheControl",
    "ContentBlock",
    "Message",
    "OtherBlock",
    "RedactedThinkingBlock",
    "TextBlock",
    "ThinkingBlock",
    "Tool",
    "ToolChoice",
    "ToolResultBlock",
    "ToolUseBlock",
    "blocks_of",
    "is_client_s",
    "parts_of",
    "read_body",
]

_closed = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
_open = with_config(ConfigDict(extra="allow", strict=True))


@_closed
class CacheControl(TypedDict, total=False):
    """A cache marker; five minutes unless it says an hour."""

    type: Required[Literal["ephemeral"]]
    ttl: Literal["5m", "1h"]


@_closed
class TextBlock(TypedDict, total=False):
    """Text; in a user message its citations must be empty."""

    type: Required[Literal["text"]]
    text: Required[str]
    citations: list[Any] | None
    cache_control: CacheControl | None


@_closed
class ToolUseBlock(TypedDict, total=False):
    """A tool call that the assistant made."""

    type: Required[Literal["tool_use"]]
    id: Required[Annotated[str, Field(min_length=1)]]
    name: Required[Annotated[str, Field(min_length=1)]]
    input: Required[dict[str, Any]]
    caller: Any
    toolset_name: str | None
    cache_control: CacheControl | None


@_closed
class ThinkingBlock(TypedDict):
    """Thinking that the client returns; it can carry no cache marker."""

    type: Literal["thinking"]
    thinking: str
    signature: str


@_closed
class RedactedThinkingBlock(TypedDict):
    """Encrypted thinking that the client returns."""

    type: Literal["redacted_thinking"]
    data: str


# What a block of each kind must have besides its type, by the SDK's own types.
_NEEDED: dict[str, tuple[str, ...]] = {
    "advisor_tool_result": ("tool_use_id", "content"),
    "bash_code_execution_tool_result": ("tool_use_id", "content"),
    "browser_state": ("tabs",),
    "code_execution_tool_result": ("tool_use_id", "content"),
    "container_upload": ("file_id",),
    "document": ("source",),
    "fallback": ("from", "to"),
    "image": ("source",),
    "mcp_tool_listing": ("mcp_server_name", "tools"),
    "mcp_tool_result": ("tool_use_id",),
    "mcp_tool_use": ("id", "name", "input", "server_name"),
    "search_result": ("source", "title", "content"),
    "server_tool_use": ("id", "name", "input"),
    "text_editor_code_execution_tool_result": ("tool_use_id", "content"),
    "tool_addition": ("tool",),
    "tool_reference": ("tool_name",),
    "tool_removal": ("tool",),
    "tool_search_tool_result": ("tool_use_id", "content"),
    "web_fetch_tool_result": ("tool_use_id", "content"),
    "web_search_tool_result": ("tool_use_id", "content"),
}
_SOURCES = {
    "document": ("base64", "content", "file", "text", "url"),
    "image": ("base64", "file", "url"),
}


@_open
class OtherBlock(TypedDict, total=False):
    """Any other known block: images, documents, search results and what server tools leave. Hashed whole.

    What it must have is checked, and what kind of source an image or a document has; the rest is taken as it comes.
    """

    type: Required[
        Literal[
            "advisor_tool_result",
            "bash_code_execution_tool_result",
            "browser_state",
            "code_execution_tool_result",
            "compaction",
            "container_upload",
            "document",
            "fallback",
            "image",
            "mcp_tool_listing",
            "mcp_tool_result",
            "mcp_tool_use",
            "search_result",
            "server_tool_use",
            "text_editor_code_execution_tool_result",
            "tool_addition",
            "tool_reference",
            "tool_removal",
            "tool_search_tool_result",
            "web_fetch_tool_result",
            "web_search_tool_result",
        ]
    ]
    cache_control: CacheControl | None


def _has_what_its_kind_needs(block: OtherBlock) -> OtherBlock:
    held = cast(dict[str, Any], block)
    for field in _NEEDED.get(block["type"], ()):
        if held.get(field) is None:
            raise ValueError(f"{field}: Field required")
    kinds = _SOURCES.get(block["type"])
    if kinds is not None:
        source = held["source"]
        if not isinstance(source, dict):
            raise ValueError("source: Input should be an object")
        if source.get("type") not in kinds:
            raise ValueError(f"source.type: Input should be one of {', '.join(map(repr, kinds))}")
    return block


_Other = Annotated[OtherBlock, AfterValidator(_has_what_its_kind_needs)]
_ResultPart: TypeAlias = Annotated[TextBlock | _Other, Field(discriminator="type")]


@_closed
class ToolResultBlock(TypedDict, total=False):
    """What a tool returned: text, or blocks."""

    type: Required[Literal["tool_result"]]
    tool_use_id: Required[Annotated[str, Field(min_length=1)]]
    content: str | list[_ResultPart] | None
    is_error: bool | None
    toolset_name: str | None
    cache_control: CacheControl | None


ContentBlock: TypeAlias = (
    TextBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock | OtherBlock
)
_Block: TypeAlias = Annotated[
    TextBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock | _Other,
    Field(discriminator="type"),
]


@_closed
class Message(TypedDict, total=False):
    """One message; consecutive ones of a role are one turn. Its content is a plain string, or blocks.

    One of the system's may say how long it is shown and how the output is to be from there on, the latter without any
    words; neither has an effect here.
    """

    role: Required[Literal["user", "assistant", "system"]]
    content: str | list[_Block]
    clear_at: Literal["next_user_message", "never"] | None
    output_config: dict[str, Any] | None


@_open
class Tool(TypedDict, total=False):
    """A tool of the client's, which needs a name and a schema, or one of the server's, which has a type."""

    type: str | None
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")] | None
    input_schema: dict[str, Any] | None
    cache_control: CacheControl | None


def _is_complete(tool: Tool) -> Tool:
    if is_client_s(tool):
        for field in ("name", "input_schema"):
            if tool.get(field) is None:
                raise ValueError(f"{field}: Field required")
    return tool


@_closed
class ToolChoice(TypedDict, total=False):
    """Whether a tool must be called, may be, or may not."""

    type: Required[Literal["auto", "any", "tool", "none"]]
    name: str | None
    disable_parallel_tool_use: bool | None


@_open
class Thinking(TypedDict, total=False):
    """The thinking parameter: whether the model thinks first, how much at most, and what is shown of it."""

    type: Required[Literal["adaptive", "enabled", "disabled", "between_tools"]]
    budget_tokens: Annotated[int, Field(ge=1024)] | None
    display: Literal["summarized", "omitted"] | None


def _has_its_budget(thinking: Thinking) -> Thinking:
    if thinking["type"] == "enabled" and thinking.get("budget_tokens") is None:
        raise ValueError("budget_tokens: Field required")
    return thinking


@_open
class OutputFormat(TypedDict):
    """What the text of the answer must be: JSON that is valid against `schema`."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


@_open
class OutputConfig(TypedDict, total=False):
    """Effort and the format of the output."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None
    format: OutputFormat | None


@_open
class Diagnostics(TypedDict, total=False):
    """Asks why a prompt missed the cache: `previous_message_id` is the answer that it is compared with."""

    previous_message_id: str | None


@_closed
class Body(TypedDict, total=False):
    """A whole body. `max_tokens` is optional here since counting tokens needs none."""

    model: Required[Annotated[str, Field(min_length=1, max_length=256)]]
    messages: Required[Annotated[list[Message], Field(max_length=100_000)]]
    max_tokens: Annotated[int, Field(ge=0)] | None
    system: str | list[TextBlock] | None
    tools: list[Annotated[Tool, AfterValidator(_is_complete)]] | None
    tool_choice: ToolChoice | None
    cache_control: CacheControl | None
    thinking: Annotated[Thinking, AfterValidator(_has_its_budget)] | None
    output_config: OutputConfig | None
    stream: bool | None
    stop_sequences: list[str] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    metadata: dict[str, Any] | None
    diagnostics: Diagnostics | None
    service_tier: Literal["auto", "standard_only"] | None
    speed: Literal["standard", "fast"] | None
    # Accepted as the SDK sends them, beta parameters among them; nothing here follows from them.
    billing_policy: Any
    compaction: Any
    container: Any
    context_management: Any
    fallback_credit_token: Any
    fallbacks: Any
    inference_geo: Any
    mcp_servers: Any
    thread: Any


_check = TypeAdapter(Body).validator.validate_python


def blocks_of(message: Message) -> Sequence[ContentBlock]:
    """The blocks of a message's content, of which a plain string has none."""
    content = message.get("content")
    return content if isinstance(content, list) else ()


def parts_of(result: ToolResultBlock) -> Sequence[TextBlock | OtherBlock]:
    """The blocks of what a tool returned, of which a plain string has none."""
    content = result.get("content")
    return content if isinstance(content, list) else ()


def is_client_s(tool: Tool) -> bool:
    """Whether the client carries out `tool` itself."""
    return tool.get("type") in (None, "custom")


def read_body(raw: bytes) -> Body:
    """The body in `raw`, the JSON object as it is, once it is known to be one.

    Raises `ApiError` 400: for bytes that are no JSON object first, then for the first field that does not fit, and last
    for what only the system's messages may have or lack.
    """
    plain = read_object(raw)
    try:
        _check(plain)
    except ValidationError as error:
        raise _refusal(error) from None
    body = cast(Body, plain)
    for number, message in enumerate(body["messages"]):
        _check_message(message, f"messages.{number}")
    return body


def _check_message(message: Message, path: str) -> None:
    """What only the system's messages may have, and all others must."""
    if message["role"] != "system":
        for field in ("clear_at", "output_config"):
            if message.get(field) is not None:
                raise ApiError(400, f"{path}.{field}: Only permitted on `system` messages")
    if "content" not in message and not message.get("output_config"):
        raise ApiError(400, f"{path}.content: Field required")


def _refusal(error: ValidationError) -> ApiError:
    """The first thing that does not fit, by its path in the body."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    # Where text may stand plainly or in blocks, what is wrong with the blocks says more than that they are no string.
    first = next((one for one in found if one["type"] != "string_type" or one["loc"][-1] != "str"), found[0])
    *above, last = first["loc"]
    # Which form was tried is no part of the path; a field that nobody knows may be called anything.
    parts = [part for part in above if not str(part).startswith("list[")]
    if first["type"] == "extra_forbidden" or not str(last).startswith("list["):
        parts.append(last)
    path = ".".join(map(str, parts))
    message = first["msg"].removeprefix("Value error, ")
    # A model's own check names the field below its path itself.
    return ApiError(400, f"{path}{'.' if first['type'] == 'value_error' else ': '}{message}")
