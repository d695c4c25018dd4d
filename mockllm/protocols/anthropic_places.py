"""Where each kind of content block may stand: in whose messages, and in the result of a tool.

A kind that the reference does not tie to a place is taken from the user and the assistant alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from mockllm.protocols.anthropic_body import Message, blocks_of, parts_of
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["check_places"]

# What the model said, its server tools' doings among it, comes back in its own messages.
_OF_THE_ASSISTANT = frozenset(
    {
        "advisor_tool_result",
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "mcp_tool_result",
        "mcp_tool_use",
        "redacted_thinking",
        "server_tool_use",
        "text_editor_code_execution_tool_result",
        "thinking",
        "tool_search_tool_result",
        "tool_use",
        "web_fetch_tool_result",
        "web_search_tool_result",
    }
)
_OF_THE_USER = frozenset({"container_upload", "tool_result"})
_OF_THE_SYSTEM = frozenset({"text", "tool_addition", "tool_removal"})
_IN_RESULTS = frozenset({"browser_state", "document", "image", "search_result", "text", "tool_reference"})


def check_places(messages: Sequence[Message]) -> None:
    """Raises `ApiError` 400 for the first block that stands where its kind may not."""
    for number, message in enumerate(messages):
        role = message["role"]
        for place, block in enumerate(blocks_of(message)):
            kind = block["type"]
            path = f"messages.{number}.content.{place}"
            if role != "assistant" and kind in _OF_THE_ASSISTANT:
                raise ApiError(400, f"{path}: `{kind}` blocks can only be in `assistant` messages, not {role}")
            if role != "user" and kind in _OF_THE_USER:
                raise ApiError(400, f"{path}: `{kind}` blocks can only be in `user` messages, not {role}")
            if role == "system" and kind not in _OF_THE_SYSTEM:
                raise ApiError(400, f"{path}: `{kind}` blocks cannot be in `system` messages")
            if block["type"] == "tool_result":
                for part, inner in enumerate(parts_of(block)):
                    if inner["type"] not in _IN_RESULTS:
                        raise ApiError(
                            400,
                            f"{path}.tool_result.content.{part}: `{inner['type']}` blocks cannot be in a tool result",
                        )
