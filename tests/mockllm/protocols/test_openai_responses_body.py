from __future__ import annotations

import pytest

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_responses_body import CallItem, MessageItem, OtherItem, ResponsesBody, ResultItem
from mockllm.protocols.openai_schema import read_as


def test_items_are_told_apart_by_their_type_and_a_message_needs_none() -> None:
    body = ResponsesBody.model_validate(
        {
            "model": "m",
            "input": [
                {"role": "user", "content": "q"},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "function_call", "call_id": "c", "name": "clock", "arguments": "{}", "status": "completed"},
                {"type": "function_call_output", "call_id": "c", "output": "12:00"},
            ],
        }
    )
    assert [type(item) for item in body.input] == [MessageItem, OtherItem, CallItem, ResultItem]


def test_a_string_is_one_message_of_the_user_s() -> None:
    (item,) = ResponsesBody.model_validate({"model": "m", "input": "q"}).input
    assert isinstance(item, MessageItem)
    assert item.role == "user"


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b'{"model": "m"}', "input"),
        (b'{"model": "m", "input": []}', "input"),
        (b'{"model": "m", "input": [3]}', "input[0]"),
        (
            b'{"model": "m", "input": [{"role": "user", "content": [{"type": "text", "text": "q"}]}]}',
            "input[0].content[0]",
        ),
        (b'{"model": "m", "input": [{"type": "function_call", "name": "a", "arguments": "{}"}]}', "input[0].call_id"),
        (b'{"model": "m", "input": "q", "tools": [{"type": "function"}]}', "tools[0]"),
        (b'{"model": "m", "input": "q", "max_output_tokens": "9"}', "max_output_tokens"),
    ],
)
def test_what_does_not_fit_is_blamed_by_its_path(raw: bytes, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_as(ResponsesBody, raw)
    assert (caught.value.status, caught.value.param) == (400, param)
