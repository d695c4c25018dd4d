"""The JSON body of `POST /v1/responses` and its validation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from mockllm.protocols.openai_schema import CacheOptions, Wire

__all__ = [
    "CallItem",
    "InputItem",
    "MessageItem",
    "OtherItem",
    "OtherPart",
    "RefusalPart",
    "ResponsesBody",
    "ResultItem",
    "TextPart",
]


class TextPart(Wire):
    """Text, after which a cache breakpoint may stand."""

    type: Literal["input_text", "output_text"]
    text: str
    prompt_cache_breakpoint: dict[str, Any] | None = None


class RefusalPart(Wire):
    """What the model said where it refused."""

    type: Literal["refusal"]
    refusal: str


class OtherPart(Wire):
    """An image, audio or a file. Hashed whole."""

    type: Literal["input_image", "input_audio", "input_file"]
    prompt_cache_breakpoint: dict[str, Any] | None = None


def _as_parts(content: Any) -> Any:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


_Parts = Annotated[
    list[Annotated[TextPart | RefusalPart | OtherPart, Field(discriminator="type")]], BeforeValidator(_as_parts)
]


class MessageItem(Wire):
    """A message; the model's own come back with an id and a status, which say nothing here."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: _Parts


class CallItem(Wire):
    """A call of a function that the model made."""

    type: Literal["function_call"]
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: str


class ResultItem(Wire):
    """What the function returned."""

    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1)
    output: _Parts


class OtherItem(Wire):
    """Any other item, such as reasoning that the client returns. Hashed whole."""

    type: str


InputItem: TypeAlias = MessageItem | CallItem | ResultItem | OtherItem


def _kind(item: Any) -> str:
    kind = item.get("type", "message" if "role" in item else None) if isinstance(item, dict) else None
    return kind if kind in ("message", "function_call", "function_call_output") else "other"


_Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[CallItem, Tag("function_call")]
    | Annotated[ResultItem, Tag("function_call_output")]
    | Annotated[OtherItem, Tag("other")],
    Discriminator(_kind),
]


def _as_items(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class _Tool(Wire):
    """A function that the model may call, or a tool of the provider's, which this one never calls."""

    type: str
    name: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> _Tool:
        if self.type == "function" and self.name is None:
            raise ValueError("a tool of the type function has a field name")
        return self


class _Format(Wire):
    type: Literal["text", "json_object", "json_schema"]
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class _Text(Wire):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(Wire):
    effort: str | None = None
    summary: str | None = None


class _StreamOptions(Wire):
    include_obfuscation: bool | None = None


class _CacheOptions(CacheOptions):
    prewarm: bool | None = None


class ResponsesBody(Wire):
    """A whole body."""

    model: str = Field(min_length=1, max_length=256)
    input: Annotated[list[_Item], Field(min_length=1), BeforeValidator(_as_items)]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: _CacheOptions | None = None
    # State of the service's own, which is not kept here.
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    background: bool | None = None
    # Accepted, and nothing here follows from them.
    metadata: dict[str, Any] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    truncation: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
