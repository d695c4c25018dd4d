from __future__ import annotations

import json
from typing import Any

import pytest

from mockllm.protocols.anthropic_body import Message, read_body
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.anthropic_turns import answers_tools, check_tool_calls


def call(name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "look", "input": {}}


def result(name: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, "content": "seen"}


def talk(*turns: tuple[str, Any]) -> list[Message]:
    messages = [{"role": role, "content": content} for role, content in turns]
    return read_body(json.dumps({"model": "m", "messages": messages}).encode())["messages"]


def test_calls_answered_in_the_next_user_turn_are_accepted() -> None:
    check_tool_calls(
        talk(
            ("user", "go"),
            ("assistant", [call("a"), call("b")]),
            ("system", "mind the time"),
            ("user", [result("b")]),
            ("user", [result("a"), {"type": "text", "text": "and?"}]),
            ("assistant", "done"),
            ("user", "again"),
        )
    )


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([("user", "go"), ("assistant", [call("a")])], "messages.1: `tool_use` ids were found without"),
        ([("assistant", [call("a")]), ("user", "so?")], "messages.0: `tool_use` ids were found without"),
        (
            [("assistant", [call("a"), call("b")]), ("user", [result("a")]), ("assistant", "x")],
            "immediately after: b;",
        ),
        ([("user", [result("a")])], "messages.0.content.0: unexpected `tool_use_id`"),
        ([("assistant", [call("a")]), ("user", [result("a"), result("a")])], "messages.1.content.1: unexpected"),
        ([("assistant", [call("a"), call("a")])], "messages.0.content.1.id: `tool_use` ids must be unique"),
    ],
)
def test_a_call_without_its_result_and_a_result_without_its_call_are_refused(turns: Any, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_tool_calls(talk(*turns))
    assert caught.value.status == 400
    assert message in caught.value.message


def test_only_results_since_the_last_answer_count_as_answering_tools() -> None:
    asked = (("user", "go"), ("assistant", [call("a")]), ("user", [result("a")]))
    assert not answers_tools(talk(("user", "go")))
    assert answers_tools(talk(*asked))
    assert answers_tools(talk(*asked, ("user", "hurry")))
    assert answers_tools(talk(*asked, ("system", "be brief")))
    assert not answers_tools(talk(*asked, ("assistant", "done"), ("user", "thanks")))
