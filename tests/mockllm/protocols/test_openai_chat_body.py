from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mockllm.protocols.openai_chat_body import ChatBody

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "q"}]}


def test_what_load_generators_send_is_taken() -> None:
    body = ChatBody.model_validate(
        {
            **ASKED,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "ignore_eos": True,
            "stop": None,
            "max_tokens": 3,
            "max_completion_tokens": 3,
            "temperature": 0,
        }
    )
    assert body.stream_options is not None
    assert body.stream_options.continuous_usage_stats


@pytest.mark.parametrize(
    "call",
    [
        {"id": "call_1", "type": "function"},
        {"id": "call_1", "type": "custom"},
        {"id": "", "type": "function", "function": {"name": "a", "arguments": "{}"}},
        {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": {}}},
    ],
)
def test_an_incomplete_call_is_refused(call: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatBody.model_validate({**ASKED, "messages": [{"role": "assistant", "tool_calls": [call]}]})


def test_a_call_without_a_type_is_of_a_function() -> None:
    call = {"id": "call_1", "function": {"name": "a", "arguments": "{}"}}
    ChatBody.model_validate({**ASKED, "messages": [{"role": "assistant", "tool_calls": [call]}]})
