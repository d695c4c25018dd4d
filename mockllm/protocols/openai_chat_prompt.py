"""A chat body as the prompt that the model sees, and what the API demands of its tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_chat_body import (
    AssistantMessage,
    ChatBody,
    ChatMessage,
    OtherPart,
    RefusalPart,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from mockllm.protocols.openai_prompt import Prompt

__all__ = ["answers_tools", "check_tool_calls", "output_schema", "render_chat"]


def render_chat(body: ChatBody, plain: dict[str, Any], prompt: Prompt) -> None:
    """Write `body` into `prompt`; `plain` is the JSON that it was read from."""
    for definition in plain.get("tools") or ():
        prompt.tool(definition)
    if body.response_format is not None and body.response_format.json_schema is not None:
        prompt.schema(plain["response_format"]["json_schema"])
    for number, message in enumerate(body.messages):
        match message:
            case SystemMessage():
                for part in message.content:
                    prompt.text("system", part.text, part.prompt_cache_breakpoint)
            case UserMessage():
                _user(message, plain["messages"][number], prompt)
            case AssistantMessage():
                _assistant(message, prompt)
            case ToolMessage():
                marks = [part.prompt_cache_breakpoint for part in message.content]
                marked = next((mark for mark in reversed(marks) if mark is not None), None)
                prompt.result(message.tool_call_id, "".join([part.text for part in message.content]), marked)
        if not isinstance(message, AssistantMessage):
            prompt.end_message()


def _user(message: UserMessage, plain: dict[str, Any], prompt: Prompt) -> None:
    for place, part in enumerate(message.content):
        if isinstance(part, OtherPart):
            prompt.other("user", plain["content"][place])
        else:
            prompt.text("user", part.text, part.prompt_cache_breakpoint)


def _assistant(message: AssistantMessage, prompt: Prompt) -> None:
    for part in message.content or ():
        prompt.text("assistant", part.refusal if isinstance(part, RefusalPart) else part.text)
    if message.refusal is not None:
        prompt.text("assistant", message.refusal)
    for call in message.tool_calls or ():
        if call.function is not None:
            prompt.call(call.id, call.function.name, call.function.arguments)
        else:
            prompt.other("assistant", call.model_dump(exclude_none=True))


def check_tool_calls(messages: Sequence[ChatMessage]) -> None:
    """Raises `ApiError` 400 for a call that the tool messages right after it do not answer, or an answer to none."""
    waiting: dict[str, None] = {}
    asked = ""
    for number, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in waiting:
                raise ApiError(
                    400,
                    "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                    f"'tool_calls': {message.tool_call_id[:64]!r} is the id of no call that waits for its answer.",
                    param=f"messages[{number}].tool_call_id",
                    code="invalid_value",
                )
            del waiting[message.tool_call_id]
            continue
        _refuse_unanswered(waiting, asked)
        asked = f"messages[{number}]"
        calls = message.tool_calls or () if isinstance(message, AssistantMessage) else ()
        waiting = dict.fromkeys([call.id for call in calls])
        if len(waiting) < len(calls):
            raise ApiError(400, "The ids of tool calls must be unique.", param=f"{asked}.tool_calls")
    _refuse_unanswered(waiting, asked)


def _refuse_unanswered(waiting: dict[str, None], asked: str) -> None:
    if waiting:
        raise ApiError(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}",
            param=asked,
        )


def answers_tools(messages: Sequence[ChatMessage]) -> bool:
    """Whether tool messages came since the model last spoke."""
    for message in reversed(messages):
        if isinstance(message, AssistantMessage):
            return False
        if isinstance(message, ToolMessage):
            return True
    return False


def output_schema(body: ChatBody) -> dict[str, Any] | None:
    """The JSON Schema that the text must be valid against, if it must be JSON at all."""
    wanted = body.response_format
    if wanted is None or wanted.type == "text":
        return None
    schema = wanted.json_schema.schema_ if wanted.json_schema is not None else None
    return {"type": "object"} if schema is None else schema
