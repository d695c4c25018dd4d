from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latlab.conversation import Chat, Tool, ToolError, ToolResult, Turn
from mockllm.core.distributions import Constant
from mockllm.core.passage import Passage
from mockllm.core.reply import Reply, Text, ToolUse


def asks(*ids: str) -> Reply:
    return Reply("m", "model", tuple([ToolUse(name, "look", {}, "{}") for name in ids]), 5, "tool_use")


def says(text: str) -> Reply:
    return Reply("m", "model", (Text(text),), 5, "end_turn")


def results(*ids: str) -> list[ToolResult]:
    return [ToolResult(name, "seen") for name in ids]


def test_a_chat_holds_what_was_said_in_order() -> None:
    chat = Chat("main", "system", [])
    chat.user("One", Passage("two", 9))
    chat.assistant(says("three"))
    assert chat.turns == [
        Turn("user", (Text("One"), Text(Passage("two", 9)))),
        Turn("assistant", (Text("three"),)),
    ]


def test_rounds_are_rounds_of_tool_calls() -> None:
    chat = Chat("main", "", [])
    chat.user("Look")
    assert chat.rounds == 0
    for number in range(3):
        chat.assistant(asks(f"a{number}", f"b{number}"))
        chat.tool_results(results(f"a{number}", f"b{number}"))
        assert chat.rounds == number + 1
    chat.user("And?")
    assert chat.rounds == 3


def test_every_call_of_the_last_turn_needs_its_result_and_no_other_has_one() -> None:
    chat = Chat("main", "", [])
    chat.user("Look")
    assert chat.unmatched == set()
    chat.assistant(asks("a", "b"))
    assert chat.unmatched == {"a", "b"}
    chat.tool_results(results("a"))
    chat.user("Wait")
    assert chat.unmatched == {"b"}
    chat.tool_results(results("b"))
    assert chat.unmatched == set()
    chat.assistant(says("Done"))
    chat.tool_results(results("a"))
    assert chat.unmatched == {"a"}


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_unmatched_is_what_one_side_has_and_the_other_lacks(asked: set[str], answered: set[str]) -> None:
    chat = Chat("main", "", [])
    chat.user("Look")
    chat.assistant(asks(*asked))
    chat.tool_results(results(*answered))
    assert chat.unmatched == asked - answered | answered - asked


@pytest.mark.parametrize("drawn", [{"latency_s": 1}, {"result_tokens": 100}])
def test_a_tool_takes_distributions_and_says_how_to_write_a_number(drawn: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"no distribution; write Constant\(1(00)?\)"):
        Tool("look", "Looks.", {}, **{"latency_s": Constant(1), **drawn})


def test_a_tool_is_defined_as_a_request_carries_it() -> None:
    schema = {"type": "object"}
    tool = Tool("look", "Looks.", schema, Constant(1))
    assert tool.definition() == {"name": "look", "description": "Looks.", "input_schema": schema}
    assert tool.result_tokens.quantile(0.5) == 100
