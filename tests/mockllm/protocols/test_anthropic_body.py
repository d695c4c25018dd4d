from __future__ import annotations

import json
import re
from typing import Any, Required, get_args, get_origin, get_type_hints

import pytest
from anthropic.types import ContentBlockParam
from anthropic.types.beta.beta_content_block_param import BetaContentBlockParam
from hypothesis import given
from hypothesis import strategies as st

from mockllm.protocols.anthropic_body import Body, blocks_of, read_body
from mockllm.protocols.anthropic_errors import ApiError

ASKED = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


def refused(fields: Any) -> str:
    with pytest.raises(ApiError) as caught:
        read_body(fields if isinstance(fields, bytes) else json.dumps(fields).encode())
    assert caught.value.status == 400
    return caught.value.message


def refusal(fields: dict[str, Any]) -> str | None:
    """The message with which `fields` are refused, if they are."""
    try:
        read_body(json.dumps(fields).encode())
    except ApiError as error:
        return error.message
    return None


def with_content(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {**ASKED, "messages": [{"role": role, "content": list(blocks)}]}


def test_a_string_stays_one_and_blocks_are_read_one_by_one() -> None:
    body = read_body(json.dumps({**ASKED, "system": "brief"}).encode())
    assert (body["messages"][0]["content"], blocks_of(body["messages"][0]), body["system"]) == ("hi", (), "brief")
    text = {"type": "text", "text": "hi"}
    body = read_body(json.dumps({**with_content(text), "system": [text]}).encode())
    assert blocks_of(body["messages"][0]) == body["system"] == [text]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty document"),
        (b"{", "unexpected end of data"),
        (b"\xff\xfe\xfd", "not valid UTF-8"),
        (b"[]", "it must be an object"),
        (b'{"max_tokens": NaN}', "unexpected character"),
        (b'{"max_tokens": 1e999}', "number is infinity"),
        (b"[" * 200_000, "depth limit exceeded"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "nested too deeply"),
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
        ({**ASKED, "list[x]": 1}, "list[x]: Extra inputs are not permitted"),
        ({**ASKED, "str": 1}, "str: Extra inputs are not permitted"),
        ({**ASKED, "system": 5}, "system: Input should be a valid list"),
        ({**ASKED, "messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({**ASKED, "messages": [{"role": "user", "content": 5}]}, "messages.0.content: Input should be a valid list"),
        (
            {**ASKED, "messages": [{"role": "robot", "content": "hi"}]},
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        (with_content({"type": "text"}), "messages.0.content.0.text.text: Field required"),
        (with_content({"type": "text", "text": "a", "index": 0}), "messages.0.content.0.text.index: Extra inputs are"),
        (with_content("hi"), "messages.0.content.0: Input should be a valid dictionary"),
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


def _kind(block: Any) -> str:
    hint = get_type_hints(block)["type"]
    (kind,) = get_args(get_args(hint)[0] if get_origin(hint) is Required else hint)
    return str(kind)


# Kinds of the public reference and of the SDK's beta types, and a value for each field that one of them needs.
KINDS = {
    _kind(block): block
    for block in (*get_args(ContentBlockParam), *get_args(BetaContentBlockParam))
    if hasattr(block, "__required_keys__")
}
VALUES: dict[str, Any] = {
    "source": {"type": "url", "url": "https://example.com/"},
    "input": {},
    "content": [],
    "tabs": [],
    "tools": [],
    "tool": {"type": "tool_reference", "name": "look"},
    "from": {"model": "m"},
    "to": {"model": "n"},
}


def _needed(kind: str) -> list[str]:
    hints = get_type_hints(KINDS[kind], include_extras=True)
    return [name for name, hint in hints.items() if get_origin(hint) is Required and name != "type"]


def _block(kind: str) -> dict[str, Any]:
    return {"type": kind, **{name: VALUES.get(name, name) for name in _needed(kind)}}


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_of_the_reference_is_known_and_misses_what_the_reference_requires(kind: str) -> None:
    block = _block(kind)
    read_body(json.dumps(with_content(block)).encode())
    for name in _needed(kind):
        short = {field: value for field, value in block.items() if field != name}
        assert refused(with_content(short)) == f"messages.0.content.0.{kind}.{name}: Field required"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("https://example.com/", "messages.0.content.0.image.source: Input should be an object"),
        ({"type": "text"}, "messages.0.content.0.image.source.type: Input should be one of 'base64', 'file', 'url'"),
    ],
)
def test_an_image_has_a_source_of_a_known_kind(source: Any, message: str) -> None:
    assert refused(with_content({"type": "image", "source": source})) == message


def test_the_system_may_configure_the_output_without_words_and_nobody_else_may() -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "system", "output_config": {"effort": "low"}}]
    body = read_body(json.dumps({**ASKED, "messages": turns}).encode())
    assert blocks_of(body["messages"][1]) == ()
    brief = {"role": "system", "content": "brief", "clear_at": "next_user_message"}
    read_body(json.dumps({**ASKED, "messages": [brief]}).encode())
    assert (
        refused({**ASKED, "messages": [{"role": "user", "content": "hi", "clear_at": "never"}]})
        == "messages.0.clear_at: Only permitted on `system` messages"
    )
    assert refused({**ASKED, "messages": [{"role": "system"}]}) == "messages.0.content: Field required"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(Body.__annotations__)


@given(field=st.sampled_from(FIELDS), value=JSON, role=st.sampled_from(["user", "assistant", "system"]), inner=JSON)
def test_no_refusal_shows_how_it_was_found(field: str, value: Any, role: str, inner: Any) -> None:
    for asked in ({**ASKED, field: value}, with_content({"type": "text", "text": inner}, role=role)):
        message = refusal(asked)
        if message is not None:
            path = message.split(": ")[0]
            assert re.fullmatch(r"[A-Za-z0-9_.]+", path), message
            assert not re.search(r"function-|constrained|tagged-union|nullable|is-instance|schema_", path), path
