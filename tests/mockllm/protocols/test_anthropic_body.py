from __future__ import annotations

import json
from typing import Any, Required, get_args, get_origin, get_type_hints

import pytest
from anthropic.types import ContentBlockParam

from mockllm.protocols.anthropic_body import TextBlock, read_body
from mockllm.protocols.anthropic_errors import ApiError

ASKED = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


def refused(fields: Any) -> str:
    with pytest.raises(ApiError) as caught:
        read_body(fields if isinstance(fields, bytes) else json.dumps(fields).encode())
    assert caught.value.status == 400
    return caught.value.message


def with_content(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {**ASKED, "messages": [{"role": role, "content": list(blocks)}]}


def test_a_string_is_one_text_block() -> None:
    body, plain = read_body(json.dumps({**ASKED, "system": "brief"}).encode())
    assert body.messages[0].content == [TextBlock(type="text", text="hi")]
    assert body.system == [TextBlock(type="text", text="brief")]
    assert plain["system"] == "brief"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe\xfd", "decode"),
        (b"[]", "it must be an object"),
        (b'{"max_tokens": NaN}', "NaN is no JSON number"),
        (b'{"max_tokens": 1e999}', "1e999 is too large"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_object_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    message = refused(raw)
    assert message.startswith("The request body is not valid JSON: ")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "model: Field required"),
        ({"model": "m"}, "messages: Field required"),
        ({**ASKED, "max_tokens": "10"}, "max_tokens: Input should be a valid integer"),
        ({**ASKED, "max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({**ASKED, "max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({**ASKED, "colour": "blue"}, "colour: Extra inputs are not permitted"),
        ({**ASKED, "messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({**ASKED, "messages": [{"role": "user", "content": 5}]}, "messages.0.content: Input should be a valid list"),
        (
            {**ASKED, "messages": [{"role": "robot", "content": "hi"}]},
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        (with_content({"type": "text"}), "messages.0.content.0.text.text: Field required"),
        (with_content({"type": "text", "text": "a", "index": 0}), "messages.0.content.0.text.index: Extra inputs are"),
        (with_content("hi"), "messages.0.content.0: Input should be a valid dictionary or object"),
        (with_content({"text": "a"}), "messages.0.content.0: Unable to extract tag using discriminator 'type'"),
        (with_content({"type": "sound"}), "messages.0.content.0: Input tag 'sound' found using 'type' does not match"),
        (
            with_content({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "2h"}}),
            "messages.0.content.0.text.cache_control.ttl: Input should be '5m' or '1h'",
        ),
        (
            with_content(
                {"type": "thinking", "thinking": "a", "signature": "s", "cache_control": {"type": "ephemeral"}},
                role="assistant",
            ),
            "messages.0.content.0.thinking.cache_control: Extra inputs are not permitted",
        ),
        ({**ASKED, "tools": [{"name": "look"}]}, "tools.0.input_schema: Field required"),
        ({**ASKED, "tools": [{"type": "custom", "input_schema": {}}]}, "tools.0.name: Field required"),
        ({**ASKED, "tools": [{"name": "a b", "input_schema": {}}]}, "tools.0.name: String should match pattern"),
        ({**ASKED, "thinking": {"type": "loud"}}, "thinking.type: Input should be"),
    ],
)
def test_the_first_field_that_does_not_fit_is_named_by_its_path(fields: Any, message: str) -> None:
    assert refused(fields).startswith(message)


@pytest.mark.parametrize(
    "field",
    [
        {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
        {"thread": {"id": "t"}},
        {"compaction": {}},
        {"fallbacks": []},
        {"fallback_credit_token": "t"},
        {"billing_policy": {}},
        {"mcp_servers": []},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"output_config": {"effort": "medium"}},
        {"metadata": {"user_id": "u"}},
        {"stop_sequences": ["END"]},
        {"system": None},
        {"tools": [{"type": "web_search_20260318", "name": "web_search"}]},
        {"tools": [{"name": "look", "input_schema": {"type": "object"}, "defer_loading": True}]},
    ],
)
def test_what_the_sdk_can_send_is_accepted(field: dict[str, Any]) -> None:
    read_body(json.dumps({**ASKED, **field}).encode())


def test_every_block_type_of_the_sdk_is_known() -> None:
    own_shape = {"text", "tool_use", "tool_result", "thinking", "redacted_thinking"}
    kinds = {_kind(block) for block in get_args(ContentBlockParam)}
    assert own_shape < kinds
    for kind in kinds - own_shape:
        read_body(json.dumps(with_content({"type": kind})).encode())


def _kind(block: Any) -> str:
    hint = get_type_hints(block)["type"]
    (kind,) = get_args(get_args(hint)[0] if get_origin(hint) is Required else hint)
    return str(kind)
