from __future__ import annotations

from typing import Any

import pytest

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_tools import choose, neutral

TOOLS = [neutral("one", "the first", {"type": "object"}), neutral("two", None, None)]


def names(choice: Any) -> list[str]:
    return [tool["name"] for tool in choose(TOOLS, choice).tools]


def test_a_function_without_parameters_takes_none() -> None:
    assert neutral("two", None, None)["input_schema"] == {"type": "object", "properties": {}}


def test_a_mode_offers_all_tools_or_none() -> None:
    assert (names(None), names("auto"), names("required"), names("none")) == (["one", "two"],) * 3 + ([],)
    assert [choose(TOOLS, choice).must_call for choice in (None, "auto", "required", "none")] == [
        False,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "choice", [{"type": "function", "function": {"name": "two"}}, {"type": "function", "name": "two"}]
)
def test_a_named_function_must_be_called(choice: dict[str, Any]) -> None:
    assert names(choice) == ["two"]
    assert choose(TOOLS, choice).must_call


@pytest.mark.parametrize(
    "choice",
    [
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "one"}}]},
        },
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "one"}]},
    ],
)
def test_a_list_of_allowed_tools_leaves_out_the_others(choice: dict[str, Any]) -> None:
    assert names(choice) == ["one"]
    assert choose(TOOLS, choice).must_call


def test_a_tool_of_the_provider_s_own_is_never_called() -> None:
    assert choose(TOOLS, {"type": "web_search_preview"}) == ((), False)


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ([], "required"),
        (TOOLS, {"type": "function", "function": {"name": "three"}}),
        (TOOLS, {"type": "allowed_tools"}),
        (TOOLS, {"type": "allowed_tools", "allowed_tools": 3}),
    ],
)
def test_a_choice_of_nothing_is_refused(tools: list[dict[str, Any]], choice: Any) -> None:
    with pytest.raises(ApiError) as caught:
        choose(tools, choice)
    assert (caught.value.status, caught.value.param) == (400, "tool_choice")
