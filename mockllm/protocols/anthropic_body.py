"""The JSON body of `POST /v1/messages` and its validation, with the path-style messages of the real API.

Fields and block types are those of the current SDK, its beta parameters among them; whatever else a client sends is
refused as an extra input. Types are strict: a number in quotes is no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

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
    "read_body",
]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CacheControl(_Wire):
    """A cache marker; five minutes unless it says an hour."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class TextBlock(_Wire):
    """Text; in a user message its citations must be empty."""

    type: Literal["text"]
    text: str
    citations: list[Any] | None = None
    cache_control: CacheControl | None = None


class ToolUseBlock(_Wire):
    """A tool call that the assistant made."""

    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: dict[str, Any]
    caller: Any = None
    toolset_name: str | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(_Wire):
    """Thinking that the client returns; it can carry no cache marker."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(_Wire):
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


class OtherBlock(BaseModel):
    """Any other known block: images, documents, search results and what server tools leave. Hashed whole.

    What it must have is checked, and what kind of source an image or a document has; the rest is taken as it comes.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Literal[
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
    cache_control: CacheControl | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> OtherBlock:
        held = self.model_extra or {}
        for field in _NEEDED.get(self.type, ()):
            if held.get(field) is None:
                raise ValueError(f"{field}: Field required")
        kinds = _SOURCES.get(self.type)
        if kinds is not None:
            source = held["source"]
            if not isinstance(source, dict):
                raise ValueError("source: Input should be an object")
            if source.get("type") not in kinds:
                raise ValueError(f"source.type: Input should be one of {', '.join(map(repr, kinds))}")
        return self


def _as_blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


_ResultPart = Annotated[TextBlock | OtherBlock, Field(discriminator="type")]


class ToolResultBlock(_Wire):
    """What a tool returned: text, or blocks."""

    type: Literal["tool_result"]
    tool_use_id: str = Field(min_length=1)
    content: Annotated[list[_ResultPart], BeforeValidator(_as_blocks)] | None = None
    is_error: bool | None = None
    toolset_name: str | None = None
    cache_control: CacheControl | None = None


ContentBlock: TypeAlias = (
    TextBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock | OtherBlock
)


class Message(_Wire):
    """One message; consecutive ones of a role are one turn. Its content is a plain string, or blocks.

    One of the system's may say how long it is shown and how the output is to be from there on, the latter without any
    words; neither has an effect here.
    """

    role: Literal["user", "assistant", "system"]
    content: str | list[Annotated[ContentBlock, Field(discriminator="type")]] | None = None
    clear_at: Literal["next_user_message", "never"] | None = None
    output_config: dict[str, Any] | None = None

    @property
    def blocks(self) -> Sequence[ContentBlock]:
        """The blocks of its content, of which a plain string has none."""
        content = self.content
        return content if isinstance(content, list) else ()


class Tool(BaseModel):
    """A tool of the client's, which needs a name and a schema, or one of the server's, which has a type."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: str | None = None
    name: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    input_schema: dict[str, Any] | None = None
    cache_control: CacheControl | None = None

    @property
    def is_client_s(self) -> bool:
        return self.type in (None, "custom")

    @model_validator(mode="after")
    def _is_complete(self) -> Tool:
        if self.is_client_s:
            for field in ("name", "input_schema"):
                if getattr(self, field) is None:
                    raise ValueError(f"{field}: Field required")
        return self


class ToolChoice(_Wire):
    """Whether a tool must be called, may be, or may not."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(BaseModel):
    """The thinking parameter: whether the model thinks first, how much at most, and what is shown of it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Literal["adaptive", "enabled", "disabled", "between_tools"]
    budget_tokens: int | None = Field(default=None, ge=1024)
    display: Literal["summarized", "omitted"] | None = None

    @model_validator(mode="after")
    def _has_its_budget(self) -> Thinking:
        if self.type == "enabled" and self.budget_tokens is None:
            raise ValueError("budget_tokens: Field required")
        return self


class OutputFormat(BaseModel):
    """What the text of the answer must be: JSON that is valid against `schema`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(BaseModel):
    """Effort and the format of the output."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Diagnostics(BaseModel):
    """Asks why a prompt missed the cache: `previous_message_id` is the answer that it is compared with."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    previous_message_id: str | None = None


class Body(_Wire):
    """A whole body. `max_tokens` is optional here since counting tokens needs none."""

    model: str = Field(min_length=1, max_length=256)
    messages: list[Message] = Field(max_length=100_000)
    max_tokens: int | None = Field(default=None, ge=0)
    system: str | list[TextBlock] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    cache_control: CacheControl | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: dict[str, Any] | None = None
    diagnostics: Diagnostics | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    # Accepted as the SDK sends them, beta parameters among them; nothing here follows from them.
    billing_policy: Any = None
    compaction: Any = None
    container: Any = None
    context_management: Any = None
    fallback_credit_token: Any = None
    fallbacks: Any = None
    inference_geo: Any = None
    mcp_servers: Any = None
    thread: Any = None


def read_body(raw: bytes) -> tuple[Body, dict[str, Any]]:
    """The body in `raw`, validated, and the plain JSON object that it was read from.

    Raises `ApiError` 400: for bytes that are no JSON object first, then for the first field that does not fit.
    """
    plain = read_object(raw)
    try:
        body = Body.model_validate(plain)
    except ValidationError as error:
        raise _refusal(error) from None
    for number, message in enumerate(body.messages):
        _check_message(message, f"messages.{number}")
    return body, plain


def _check_message(message: Message, path: str) -> None:
    """What only the system's messages may have, and all others must."""
    if message.role != "system":
        for field in ("clear_at", "output_config"):
            if getattr(message, field) is not None:
                raise ApiError(400, f"{path}.{field}: Only permitted on `system` messages")
    if message.content is None and not message.output_config:
        raise ApiError(400, f"{path}.content: Field required")


def _refusal(error: ValidationError) -> ApiError:
    """The first thing that does not fit, by its path in the body."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    # Where text may stand plainly or in blocks, what is wrong with the blocks says more than that they are no string.
    first = next((one for one in found if one["type"] != "string_type" or one["loc"][-1] != "str"), found[0])
    path = ".".join([str(part) for part in first["loc"] if not str(part).startswith("list[")])
    message = first["msg"].removeprefix("Value error, ")
    # A model's own check names the field below its path itself.
    return ApiError(400, f"{path}{'.' if first['type'] == 'value_error' else ': '}{message}")
