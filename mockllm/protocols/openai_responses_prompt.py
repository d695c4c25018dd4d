"""A body of the responses endpoint as the prompt that the model sees, and what the API demands of its items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_prompt import Prompt
from mockllm.protocols.openai_responses_body import (
    CallItem,
    InputItem,
    MessageItem,
    OtherPart,
    RefusalPart,
    ResponsesBody,
    ResultItem,
    TextPart,
)

__all__ = ["brings_results", "check_items", "check_state", "render_responses", "response_schema"]


def render_responses(body: ResponsesBody, plain: dict[str, Any], prompt: Prompt) -> None:
    """Write `body` into `prompt`; `plain` is the JSON that it was read from."""
    for definition in plain.get("tools") or ():
        prompt.tool(definition)
    if body.text is not None and body.text.format is not None and body.text.format.type == "json_schema":
        prompt.schema(plain["text"]["format"])
    if body.instructions:
        prompt.text("system", body.instructions)
    for number, item in enumerate(body.input):
        match item:
            case MessageItem():
                _message(item, plain["input"][number] if isinstance(plain["input"], list) else {}, prompt)
                if item.role != "assistant":
                    prompt.end_message()
            case CallItem():
                prompt.call(item.call_id, item.name, item.arguments)
            case ResultItem():
                _result(item, plain["input"][number], prompt)
                prompt.end_message()
            case _:
                prompt.other("assistant", plain["input"][number])


def _message(item: MessageItem, plain: dict[str, Any], prompt: Prompt) -> None:
    role = "system" if item.role == "developer" else item.role
    for place, part in enumerate(item.content):
        match part:
            case TextPart():
                prompt.text(role, part.text, part.prompt_cache_breakpoint)
            case RefusalPart():
                prompt.text(role, part.refusal)
            case OtherPart():
                prompt.other(role, plain["content"][place])


def _result(item: ResultItem, plain: dict[str, Any], prompt: Prompt) -> None:
    texts = [part.text for part in item.output if isinstance(part, TextPart)]
    if len(texts) == len(item.output):
        marks = [part.prompt_cache_breakpoint for part in item.output if isinstance(part, TextPart)]
        prompt.result(item.call_id, "".join(texts), next((mark for mark in reversed(marks) if mark is not None), None))
    else:
        prompt.other("tool", {name: plain[name] for name in ("type", "call_id", "output")})


def check_state(body: ResponsesBody) -> None:
    """Raises `ApiError` 400 for a request that rests on what the service would have kept: nothing is kept here."""
    asked = {
        "previous_response_id": body.previous_response_id,
        "conversation": body.conversation,
        "prompt": body.prompt,
        "background": body.background or None,
    }
    for name, value in asked.items():
        if value is not None:
            raise ApiError(
                400,
                f"{name}: this mock keeps no state between requests; send the whole conversation in 'input'.",
                param=name,
                code="unsupported_parameter",
            )
    for number, item in enumerate(body.input):
        if item.type == "item_reference":
            raise ApiError(
                400,
                "item_reference: this mock keeps no state between requests; send the item itself.",
                param=f"input[{number}]",
                code="unsupported_parameter",
            )


def check_items(items: Sequence[InputItem]) -> None:
    """Raises `ApiError` 400 for a call without its output, or an output without a call before it."""
    waiting: dict[str, int] = {}
    for number, item in enumerate(items):
        if isinstance(item, CallItem):
            if item.call_id in waiting:
                raise ApiError(400, f"The call_id {item.call_id!r} is there twice.", param=f"input[{number}].call_id")
            waiting[item.call_id] = number
        elif isinstance(item, ResultItem) and waiting.pop(item.call_id, None) is None:
            raise ApiError(
                400,
                f"No tool call found for function call output with call_id {item.call_id[:64]}.",
                param=f"input[{number}]",
            )
    if waiting:
        call_id, number = next(iter(waiting.items()))
        raise ApiError(400, f"No tool output found for function call {call_id[:64]}.", param=f"input[{number}]")


def brings_results(items: Sequence[InputItem]) -> bool:
    """Whether outputs of calls came since the model last spoke."""
    for item in reversed(items):
        if isinstance(item, ResultItem):
            return True
        if isinstance(item, CallItem) or (isinstance(item, MessageItem) and item.role == "assistant"):
            return False
    return False


def response_schema(body: ResponsesBody) -> dict[str, Any] | None:
    """The JSON Schema that the text must be valid against, if it must be JSON at all."""
    wanted = body.text.format if body.text is not None else None
    if wanted is None or wanted.type == "text":
        return None
    return {"type": "object"} if wanted.schema_ is None else wanted.schema_
