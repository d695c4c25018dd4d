from __future__ import annotations

from typing import Any

import pytest
from profiles_for_tests import make_profile

from mockllm.core.request import Prefix, TokenCounter, system_block, text_block, tool_result_block, tool_use_block
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_chat_body import ChatBody
from mockllm.protocols.openai_chat_prompt import answers_tools, check_tool_calls, output_schema, render_chat
from mockllm.protocols.openai_prompt import Prompt

COUNTER = TokenCounter(make_profile().tokens)


def call(call_id: str, name: str = "clock") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": '{"zone":"UTC"}'}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def calls(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(one) for one in ids]}


def answered(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "12:00"}


def body(*messages: dict[str, Any], **fields: Any) -> tuple[ChatBody, dict[str, Any]]:
    plain = {"model": "m", "messages": list(messages), **fields}
    return ChatBody.model_validate(plain), plain


def rendered(*messages: dict[str, Any], **fields: Any) -> Prompt:
    made = Prompt(Prefix("scope"), COUNTER)
    render_chat(*body(*messages, **fields), made)
    return made


def test_a_conversation_becomes_blocks_in_render_order() -> None:
    made = rendered(
        {"role": "developer", "content": "Be brief."},
        user("What time is it?"),
        calls("call_1"),
        answered("call_1"),
        {"role": "assistant", "content": "Noon."},
        tools=[{"type": "function", "function": {"name": "clock"}}],
    )
    assert made.prefix.blocks[0].level == "tools"
    assert made.prefix.blocks[1:] == [
        system_block("Be brief.", COUNTER),
        text_block("user", "What time is it?", COUNTER),
        tool_use_block("call_1", "clock", '{"zone":"UTC"}', COUNTER),
        tool_result_block("call_1", "12:00", False, COUNTER),
        text_block("assistant", "Noon.", COUNTER),
    ]
    assert made.ends == [1, 2, 4]


def test_a_string_and_one_text_part_are_the_same_prompt() -> None:
    parts = rendered({"role": "user", "content": [{"type": "text", "text": "q", "prompt_cache_breakpoint": {}}]})
    assert parts.prefix.hashes == rendered(user("q")).prefix.hashes
    assert parts.marks == [0]


def test_images_refusals_custom_calls_and_schemas_are_part_of_it() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    made = rendered(
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
        {"role": "assistant", "refusal": "No.", "tool_calls": [custom]},
        answered("call_1"),
        response_format=schema,
    )
    assert [block.kind for block in made.prefix.blocks] == ["text", "text", "opaque", "text", "opaque", "result"]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user("q"), answered("call_1")], "messages[1].tool_call_id"),
        ([user("q"), calls("call_1"), answered("call_2")], "messages[2].tool_call_id"),
        ([user("q"), calls("call_1"), answered("call_1"), answered("call_1")], "messages[3].tool_call_id"),
        ([user("q"), calls("call_1", "call_2"), answered("call_1")], "messages[1]"),
        ([user("q"), calls("call_1"), user("well?"), answered("call_1")], "messages[1]"),
        ([user("q"), calls("call_1", "call_1")], "messages[1].tool_calls"),
    ],
)
def test_calls_without_answers_and_answers_without_calls_are_refused(messages: list[Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_tool_calls(body(*messages)[0].messages)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_answers_may_come_in_any_order() -> None:
    check_tool_calls(body(user("q"), calls("call_1", "call_2"), answered("call_2"), answered("call_1"))[0].messages)


@pytest.mark.parametrize(
    ("messages", "brings"),
    [
        ([user("q")], False),
        ([user("q"), calls("call_1"), answered("call_1")], True),
        ([user("q"), calls("call_1"), answered("call_1"), user("and?")], True),
        ([user("q"), calls("call_1"), answered("call_1"), {"role": "assistant", "content": "a"}, user("b")], False),
    ],
)
def test_results_count_until_the_model_has_spoken_again(messages: list[Any], brings: bool) -> None:
    assert answers_tools(body(*messages)[0].messages) is brings


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}}, {"type": "array"}),
    ],
)
def test_a_format_says_which_schema_the_text_must_meet(wanted: Any, schema: Any) -> None:
    assert output_schema(body(user("q"), response_format=wanted)[0]) == schema
