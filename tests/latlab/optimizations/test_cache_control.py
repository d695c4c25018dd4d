from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latlab.client import Call
from latlab.conversation import Chat
from latlab.optimizations.cache_control import PLACEMENTS, TOGGLE, Placement, mark, wrap
from mockllm.core.reply import Script

MARK = {"type": "ephemeral"}
maybe_marked = st.sampled_from([{}, {"cache_control": MARK}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}])


def with_marks(blocks: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(blocks, maybe_marked).map(lambda pair: pair[0] | pair[1])


words = st.text("ab ü", max_size=5)
texts = with_marks(st.fixed_dictionaries({"type": st.just("text"), "text": words}))
results = st.fixed_dictionaries(
    {"type": st.just("tool_result"), "tool_use_id": words, "content": words | st.lists(texts, max_size=2)}
)
uses = st.fixed_dictionaries({"type": st.just("tool_use"), "id": words, "name": words, "input": st.just({"a": 1})})
thoughts = st.fixed_dictionaries({"type": st.just("thinking"), "thinking": words, "signature": words})
blocks = texts | with_marks(results) | with_marks(uses) | thoughts
messages = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": words | st.lists(blocks)})
tools = with_marks(st.fixed_dictionaries({"name": words, "input_schema": st.just({"type": "object"})}))
bodies = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": st.lists(messages, min_size=1, max_size=4)},
    optional={
        "system": words | st.lists(texts, max_size=3),
        "tools": st.lists(tools, max_size=3),
        "cache_control": st.just(MARK),
        "max_tokens": st.just(5),
    },
)
placements = st.sampled_from(list(PLACEMENTS.values()))


def count(body: Any) -> int:
    return json.dumps(body).count('"cache_control"')


@given(bodies)
def test_off_leaves_no_marker_anywhere(body: dict[str, Any]) -> None:
    assert count(mark(body, PLACEMENTS["off"])) == 0


@given(bodies, placements)
def test_at_most_the_markers_of_the_placement_are_set(body: dict[str, Any], placement: Placement) -> None:
    assert count(mark(body, placement)) <= max(len(placement.breakpoints), placement.automatic) <= 2


@given(bodies, placements)
def test_the_body_that_was_given_is_left_as_it_was(body: dict[str, Any], placement: Placement) -> None:
    before = deepcopy(body)
    mark(body, placement)
    assert body == before


@given(bodies, placements)
def test_to_mark_again_changes_nothing(body: dict[str, Any], placement: Placement) -> None:
    once = mark(body, placement)
    assert mark(once, placement) == once


@given(bodies, placements, placements)
def test_the_last_placement_is_the_only_one(body: dict[str, Any], first: Placement, last: Placement) -> None:
    assert mark(mark(body, first), last) == mark(body, last)


@given(bodies, placements)
def test_but_for_markers_the_request_is_the_same(body: dict[str, Any], placement: Placement) -> None:
    plain = mark(body, PLACEMENTS["off"])
    assert mark(mark(body, placement), PLACEMENTS["off"]) == plain
    assert set(plain) == set(body) - {"cache_control"}
    assert plain["model"] == body["model"]
    assert len(plain["messages"]) == len(body["messages"])


def where(body: dict[str, Any], placement: str) -> list[str]:
    """The paths of the markers that `placement` sets in `body`."""
    found = []

    def look(value: Any, path: str) -> None:
        if isinstance(value, dict):
            if "cache_control" in value:
                found.append(path)
            for name, held in value.items():
                look(held, f"{path}.{name}")
        elif isinstance(value, list):
            for number, held in enumerate(value):
                look(held, f"{path}.{number}")

    look(mark(body, PLACEMENTS[placement]), "")
    return found


ASKED: dict[str, Any] = {
    "tools": [{"name": "a"}, {"name": "b"}],
    "system": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}],
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]},
    ],
}


@pytest.mark.parametrize(
    ("placement", "paths"),
    [
        ("off", []),
        ("system", [".system.1"]),
        ("conversation", [".system.1", ".messages.1.content.0"]),
        ("auto", [""]),
    ],
)
def test_each_placement_marks_what_it_says(placement: str, paths: list[str]) -> None:
    assert where(ASKED, placement) == paths


def test_an_empty_last_block_of_the_system_prompt_carries_no_marker() -> None:
    text, empty = {"type": "text", "text": "Be brief."}, {"type": "text", "text": ""}
    marked = mark({"system": [text, empty], "messages": []}, PLACEMENTS["system"])
    assert [block.get("cache_control") for block in marked["system"]] == [{"type": "ephemeral"}, None]
    assert "cache_control" not in str(mark({"system": [empty], "messages": []}, PLACEMENTS["system"]))


def test_without_a_system_prompt_the_tools_are_what_is_fixed() -> None:
    assert where({**ASKED, "system": ""}, "system") == [".tools.1"]
    assert where({"messages": ASKED["messages"]}, "system") == []


@pytest.mark.parametrize(
    "unmarkable", [{"type": "text", "text": ""}, {"type": "thinking", "thinking": "hm", "signature": "s"}]
)
def test_what_may_carry_no_marker_is_passed_over(unmarkable: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [unmarkable]}]
    assert where({"messages": messages}, "conversation") == [".messages.0.content.0"]


@pytest.mark.parametrize("mode", TOGGLE.values)
def test_a_call_is_given_the_breakpoints_and_is_else_the_same(mode: str) -> None:
    sent: list[Call] = []

    async def send(call: Call) -> Any:
        sent.append(call)

    call = Call("main/turn-0", Chat("main", "", []), 1, 100, Script(5), stream=True, reuse_connection=False)
    asyncio.run(wrap(send, mode)(call))  # type: ignore[arg-type]  # a coroutine, as all are here
    placement = PLACEMENTS[mode]
    assert (sent[0].breakpoints, sent[0].automatic_cache) == placement
    assert (sent[0].path, sent[0].stream, sent[0].reuse_connection) == ("main/turn-0", True, False)
    assert call.breakpoints == ()


def test_the_toggle_names_every_placement() -> None:
    assert set(TOGGLE.values) == set(PLACEMENTS)
    assert TOGGLE.default == "off"
