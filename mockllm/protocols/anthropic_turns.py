"""What the API demands of a conversation's tool calls: each is answered once, in the user turn that follows."""

from __future__ import annotations

from collections.abc import Sequence

from mockllm.protocols.anthropic_body import Message, blocks_of
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["answers_tools", "check_tool_calls"]


def check_tool_calls(messages: Sequence[Message]) -> None:
    """Raises `ApiError` 400 for a call without its result, or a result without its call.

    Consecutive messages of a role are one turn, and a system message does not end one. Calls are the assistant's and
    results the user's by then (`check_places`).
    """
    waiting: dict[str, int] = {}
    speaker = ""
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "assistant" and speaker != "assistant":
            _refuse_unanswered(waiting)
            waiting = {}
        if role != "system":
            speaker = role
        for place, block in enumerate(blocks_of(message)):
            where = f"messages.{number}.content.{place}"
            if block["type"] == "tool_use":
                if block["id"] in waiting:
                    raise ApiError(400, f"{where}.id: `tool_use` ids must be unique, and {block['id']} is not")
                waiting[block["id"]] = number
            elif block["type"] == "tool_result" and waiting.pop(block["tool_use_id"], None) is None:
                raise ApiError(
                    400,
                    f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}; each "
                    "`tool_result` must answer a `tool_use` of the assistant turn before it, once",
                )
    _refuse_unanswered(waiting)


def _refuse_unanswered(waiting: dict[str, int]) -> None:
    if waiting:
        number = next(iter(waiting.values()))
        raise ApiError(
            400,
            f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(waiting)}; the next user message must answer each of them",
        )


def answers_tools(messages: Sequence[Message]) -> bool:
    """Whether the last user turn brings tool results."""
    for message in reversed(messages):
        if message["role"] == "assistant":
            return False
        for block in blocks_of(message):
            if block["type"] == "tool_result":
                return True
    return False
