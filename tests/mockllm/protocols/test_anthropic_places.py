from __future__ import annotations

import json
from typing import Any

import pytest

from mockllm.protocols.anthropic_body import read_body
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.anthropic_places import check_places

TEXT = {"type": "text", "text": "hi"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}
FOUND = {"type": "search_result", "source": "a", "title": "b", "content": [TEXT]}
CALL = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "seen"}
THOUGHT = {"type": "thinking", "thinking": "well", "signature": "s"}
HIDDEN = {"type": "redacted_thinking", "data": "d"}
SEARCHED = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
ANYWHERE_BUT_SYSTEM = "user assistant"
TOOL = {"type": "tool_reference", "name": "look"}


def served(kind: str) -> dict[str, Any]:
    return {"type": kind, "tool_use_id": "s", "content": []}


def refusal(role: str, block: dict[str, Any]) -> str | None:
    asked = {"model": "m", "messages": [{"role": role, "content": [TEXT, block]}]}
    messages = read_body(json.dumps(asked).encode())["messages"]
    try:
        check_places(messages)
    except ApiError as error:
        return f"{error.status} {error.message}"
    return None


@pytest.mark.parametrize(
    ("block", "roles"),
    [
        (TEXT, "user assistant system"),
        (IMAGE, ANYWHERE_BUT_SYSTEM),
        (DOCUMENT, ANYWHERE_BUT_SYSTEM),
        (FOUND, ANYWHERE_BUT_SYSTEM),
        (RESULT, "user"),
        ({"type": "container_upload", "file_id": "f"}, "user"),
        (CALL, "assistant"),
        (THOUGHT, "assistant"),
        (HIDDEN, "assistant"),
        (SEARCHED, "assistant"),
        ({"type": "mcp_tool_use", "id": "m", "name": "a", "input": {}, "server_name": "b"}, "assistant"),
        ({"type": "mcp_tool_result", "tool_use_id": "m"}, "assistant"),
        *[
            (served(f"{kind}_tool_result"), "assistant")
            for kind in (
                "advisor",
                "bash_code_execution",
                "code_execution",
                "text_editor_code_execution",
                "tool_search",
                "web_fetch",
                "web_search",
            )
        ],
        ({"type": "tool_addition", "tool": TOOL}, "user assistant system"),
        ({"type": "tool_removal", "tool": TOOL}, "user assistant system"),
        ({"type": "compaction"}, ANYWHERE_BUT_SYSTEM),
        ({"type": "fallback", "from": {"model": "m"}, "to": {"model": "n"}}, ANYWHERE_BUT_SYSTEM),
        ({"type": "mcp_tool_listing", "mcp_server_name": "b", "tools": []}, ANYWHERE_BUT_SYSTEM),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_a_block_is_taken_in_its_place_and_refused_elsewhere(block: dict[str, Any], roles: str, role: str) -> None:
    message = refusal(role, block)
    if role in roles.split():
        assert message is None
    else:
        assert message is not None
        assert message.startswith(f"400 messages.0.content.1: `{block['type']}` blocks can")


@pytest.mark.parametrize("inner", [TEXT, IMAGE, DOCUMENT, FOUND, {"type": "tool_reference", "tool_name": "look"}])
def test_a_result_holds_what_tools_return(inner: dict[str, Any]) -> None:
    assert refusal("user", {**RESULT, "content": [TEXT, inner]}) is None


@pytest.mark.parametrize("inner", [SEARCHED, served("web_search_tool_result"), {"type": "compaction"}])
def test_a_result_holds_nothing_that_only_a_message_can(inner: dict[str, Any]) -> None:
    assert refusal("user", {**RESULT, "content": [TEXT, inner]}) == (
        f"400 messages.0.content.1.tool_result.content.1: `{inner['type']}` blocks cannot be in a tool result"
    )
