"""The JSON body of `POST /v1/chat/completions` and its validation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from mockllm.protocols.openai_schema import CacheOptions, Wire

__all__ = [
    "AssistantMessage",
    "ChatBody",
    "ChatMessage",
    "ChatTool",
    "OtherPart",
    "RefusalPart",
    "StreamOptions",
    "SystemMessage",
    "TextPart",
    "ToolCall",
    "ToolMessage",
    "UserMessage",
]


class TextPart(Wire):
    """Text, after which a cache breakpoint may stand."""

    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: dict[str, Any] | None = None


class RefusalPart(Wire):
    """What the model said where it refused."""

    type: Literal["refusal"]
    refusal: str


class OtherPart(Wire):
    """An image, audio or a file. Hashed whole."""

    type: Literal["image_url", "input_audio", "file"]
    prompt_cache_breakpoint: dict[str, Any] | None = None


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


_Texts = Annotated[list[TextPart], BeforeValidator(_as_parts)]
_Said = Annotated[list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]], BeforeValidator(_as_parts)]
_Asked = Annotated[list[Annotated[TextPart | OtherPart, Field(discriminator="type")]], BeforeValidator(_as_parts)]


class SystemMessage(Wire):
    """Instructions of whoever wrote the application."""

    role: Literal["system", "developer"]
    content: _Texts


class UserMessage(Wire):
    """What the user asks."""

    role: Literal["user"]
    content: _Asked


class _Call(Wire):
    name: str = Field(min_length=1)
    arguments: str


class ToolCall(Wire):
    """A call that the assistant made: of a function with arguments in JSON, or of a custom tool, kept as it is."""

    id: str = Field(min_length=1)
    type: Literal["function", "custom"] = "function"
    function: _Call | None = None
    custom: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> ToolCall:
        if getattr(self, self.type) is None:
            raise ValueError(f"a call of the type {self.type} has a field {self.type}")
        return self


class AssistantMessage(Wire):
    """What the model said before."""

    role: Literal["assistant"]
    content: _Said | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(Wire):
    """What a tool returned."""

    role: Literal["tool"]
    tool_call_id: str
    content: _Texts


ChatMessage: TypeAlias = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class _Function(Wire):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatTool(Wire):
    """A function that the model may call, or a custom tool, which this one never calls."""

    type: Literal["function", "custom"]
    function: _Function | None = None
    custom: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> ChatTool:
        if getattr(self, self.type) is None:
            raise ValueError(f"a tool of the type {self.type} has a field {self.type}")
        return self


class _JsonSchema(Wire):
    name: str
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class _ResponseFormat(Wire):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> _ResponseFormat:
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("a format of the type json_schema has a field json_schema")
        return self


class StreamOptions(Wire):
    """What a stream brings besides the text; `continuous_usage_stats` is of other servers that speak this protocol."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None


class ChatBody(Wire):
    """A whole body. `ignore_eos` and `min_tokens` are of other servers that speak this protocol."""

    model: str = Field(min_length=1, max_length=256)
    messages: list[Annotated[ChatMessage, Field(discriminator="role")]] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int | None = Field(default=None, ge=1)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    tools: list[ChatTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: CacheOptions | None = None
    ignore_eos: bool | None = None
    min_tokens: int | None = Field(default=None, ge=0)
    # Accepted, and nothing here follows from them.
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
