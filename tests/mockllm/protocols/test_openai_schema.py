from __future__ import annotations

import json
from typing import Any

import pytest

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_chat_body import ChatBody
from mockllm.protocols.openai_schema import read_as

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "q"}]}


def refusal(**fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read_as(ChatBody, json.dumps({**ASKED, **fields}).encode())
    assert caught.value.status == 400
    return caught.value


def test_a_field_that_nobody_knows_is_no_error() -> None:
    body, plain = read_as(ChatBody, json.dumps({**ASKED, "best_of": 3}).encode())
    assert body.model == "m"
    assert plain["best_of"] == 3


def test_a_known_field_of_the_wrong_type_is_blamed_by_its_path() -> None:
    said = refusal(
        messages=[{"role": "user", "content": "q"}, {"role": "user", "content": [{"type": "text", "text": 3}]}]
    )
    assert (said.param, said.code) == ("messages[1].content[0].text", "invalid_type")
    assert said.message.startswith("Invalid value for 'messages[1].content[0].text': ")


def test_a_number_in_quotes_is_no_number() -> None:
    assert (refusal(max_tokens="3").param, refusal(stream="true").param) == ("max_tokens", "stream")


def test_a_missing_field_is_named() -> None:
    said = refusal(messages=[{"role": "user"}])
    assert said.message == "Missing required parameter: 'messages[0].content'."
    assert (said.param, said.code) == ("messages[0].content", "missing_required_parameter")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "q"}]}, "messages[0]"),
        ({"stop": [1]}, "stop"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"temperature": 3}, "temperature"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"prompt_cache_retention": "1h"}, "prompt_cache_retention"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], param: str) -> None:
    assert refusal(**fields).param == param
