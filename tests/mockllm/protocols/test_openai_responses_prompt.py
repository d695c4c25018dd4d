from __future__ import annotations

from typing import Any

import pytest
from profiles_for_tests import make_profile

from mockllm.core.request import Prefix, TokenCounter, system_block, text_block, tool_result_block, tool_use_block
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_prompt import Prompt
from mockllm.protocols.openai_responses_body import ResponsesBody
from mockllm.protocols.openai_responses_prompt import (
    brings_results,
    check_items,
    check_state,
    render_responses,
    response_schema,
)

COUNTER = TokenCounter(make_profile().tokens)
CALL = {"type": "function_call", "call_id": "call_1", "name": "clock", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "12:00"}
USER = {"role": "user", "content": "What time is it?"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Noon."}]}


def body(*items: Any, **fields: Any) -> ResponsesBody:
    return ResponsesBody.model_validate({"model": "m", "input": list(items), **fields})


def rendered(given: Any, **fields: Any) -> Prompt:
    made, plain = Prompt(Prefix("scope"), COUNTER), {"model": "m", "input": given, **fields}
    render_responses(ResponsesBody.model_validate(plain), plain, made)
    return made


def test_a_conversation_becomes_blocks_in_render_order() -> None:
    made = rendered([USER, CALL, RESULT, SAID], instructions="Be brief.", tools=[{"type": "function", "name": "clock"}])
    assert made.prefix.blocks[0].level == "tools"
    assert made.prefix.blocks[1:] == [
        system_block("Be brief.", COUNTER),
        text_block("user", "What time is it?", COUNTER),
        tool_use_block("call_1", "clock", "{}", COUNTER),
        tool_result_block("call_1", "12:00", False, COUNTER),
        text_block("assistant", "Noon.", COUNTER),
    ]
    assert made.ends == [2, 4]


def test_a_string_and_one_message_are_the_same_prompt() -> None:
    assert rendered("What time is it?").prefix.hashes == rendered([USER]).prefix.hashes


def test_images_reasoning_and_results_with_files_are_hashed_whole() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "prompt_cache_breakpoint": {}}
    made = rendered(
        [
            {"role": "user", "content": [image]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            CALL,
            {**RESULT, "output": [{"type": "input_file", "file_id": "f"}]},
        ],
        text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
    )
    assert [block.kind for block in made.prefix.blocks] == ["text", "opaque", "opaque", "tool_use", "opaque"]
    assert made.marks == [1]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ],
)
def test_what_rests_on_kept_state_is_refused_and_says_so(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError, match="keeps no state") as caught:
        check_state(ResponsesBody.model_validate({"model": "m", "input": "q", **fields}))
    assert caught.value.param == param


def test_a_request_that_says_it_needs_no_state_is_taken() -> None:
    check_state(body(USER, background=False, previous_response_id=None, store=True))


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([USER, RESULT], "No tool call found"),
        ([USER, RESULT, CALL], "No tool call found"),
        ([USER, CALL, RESULT, RESULT], "No tool call found"),
        ([USER, CALL], "No tool output found"),
        ([USER, CALL, CALL, RESULT], "is there twice"),
    ],
)
def test_calls_without_outputs_and_outputs_without_calls_are_refused(items: list[Any], said: str) -> None:
    with pytest.raises(ApiError, match=said):
        check_items(body(*items).input)


@pytest.mark.parametrize(
    ("items", "brings"),
    [
        ([USER], False),
        ([USER, CALL, RESULT], True),
        ([USER, CALL, RESULT, USER], True),
        ([USER, CALL, RESULT, SAID], False),
    ],
)
def test_outputs_count_until_the_model_has_spoken_again(items: list[Any], brings: bool) -> None:
    check_items(body(*items).input)
    assert brings_results(body(*items).input) is brings


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        (None, None),
        ({"format": {"type": "text"}}, None),
        ({"format": {"type": "json_object"}}, {"type": "object"}),
        ({"format": {"type": "json_schema", "name": "a", "schema": {"type": "array"}}}, {"type": "array"}),
    ],
)
def test_a_format_says_which_schema_the_text_must_meet(wanted: Any, schema: Any) -> None:
    assert response_schema(body(USER, text=wanted)) == schema
