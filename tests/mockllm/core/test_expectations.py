"""Registered turns: who takes which, how often, and one clear line for what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.expectations import ErrorReply, Expectation, ExpectationError, Expectations, Facts
from mockllm.core.faults import FaultRule
from mockllm.core.identity import Identity
from mockllm.core.passage import Passage
from mockllm.core.reply import Script, ToolRequest
from mockllm.core.request import (
    Block,
    Prefix,
    Request,
    TokenCounter,
    opaque_block,
    system_block,
    text_block,
    tool_block,
    tool_result_block,
    tool_use_block,
)

COUNTER = TokenCounter(make_profile().tokens)
WEATHER = {"name": "get_weather", "input_schema": {"type": "object"}}
PLAIN = Facts("test-model", False, "Be brief.", "Is it late?", (), False)


def facts(**changes: Any) -> Facts:
    return PLAIN._replace(**changes)


def said(held: Expectations, path: str = "content:1", asked: Facts = PLAIN) -> str | None:
    """The text that a request is answered, None where nothing was left for it."""
    taken = held.take(path, lambda: asked)
    script = taken.script() if taken is not None else None
    return script.text if script is not None else None


def holding(*registrations: Any) -> Expectations:
    held = Expectations()
    held.register(list(registrations))
    return held


def request(*blocks: Block, **fields: Any) -> Request:
    prefix = Prefix("scope")
    for block in blocks:
        prefix.append(block)
    return Request(Identity("a"), "test-model", prefix, len(prefix), (), 10, stream=True, **fields)


def user(text: Any) -> Block:
    return text_block("user", text, COUNTER)


# Whom it is for


def test_turns_without_a_condition_are_taken_one_after_the_other() -> None:
    held = holding({"reply": "one"}, {"reply": {"text": "two"}})
    assert [said(held), said(held), said(held)] == ["one", "two", None]
    assert not held


def test_a_call_path_goes_before_a_matcher_and_a_matcher_before_the_order() -> None:
    held = holding(
        {"reply": "in order"},
        {"match": {"model": "test-model"}, "reply": "matched"},
        {"call": "main/turn-1", "reply": "by path"},
    )
    assert [said(held, "main/turn-1") for _ in range(3)] == ["by path", "matched", "in order"]


def test_what_is_left_for_one_call_is_nobody_else_s() -> None:
    held = holding({"call": "main/turn-1", "reply": "by path"})
    assert said(held, "main/turn-2") is None
    assert said(held, "main/turn-1") == "by path"


def test_of_the_matchers_that_fit_the_first_registered_is_taken_until_it_is_spent() -> None:
    held = holding(
        {"match": {"last_user": "late"}, "times": 2, "reply": "late"},
        {"match": {"stream": False}, "reply": "plain"},
    )
    assert [said(held) for _ in range(4)] == ["late", "late", "plain", None]


def test_what_holds_always_is_never_spent() -> None:
    held = holding({"times": "always", "reply": "again"}, {"call": "a", "times": "always", "reply": "named"})
    assert {said(held) for _ in range(20)} == {"again"}
    assert {said(held, "a") for _ in range(20)} == {"named"}


@pytest.mark.parametrize(
    ("match", "fitting", "other"),
    [
        ({"model": "m"}, {"model": "m"}, {"model": "m2"}),
        ({"last_user": "late"}, {"last_user": "Is it late?"}, {"last_user": "Is it early?"}),
        ({"system": "brief"}, {"system": "Be brief."}, {"system": ""}),
        ({"tool": "t"}, {"tools": ("s", "t")}, {"tools": ("tt",)}),
        ({"has_tool_results": True}, {"has_tool_results": True}, {"has_tool_results": False}),
        ({"has_tool_results": False}, {"has_tool_results": False}, {"has_tool_results": True}),
        ({"regex": "^Is .* late"}, {"last_user": "Is it late?"}, {"last_user": "Say: Is it late?"}),
        ({"stream": True}, {"stream": True}, {"stream": False}),
    ],
)
def test_a_matcher_takes_what_meets_its_condition(match: Any, fitting: Any, other: Any) -> None:
    held = holding({"match": match, "times": "always", "reply": "yes"})
    assert said(held, asked=facts(**fitting)) == "yes"
    assert said(held, asked=facts(**other)) is None


def test_every_condition_of_a_matcher_must_hold() -> None:
    held = holding({"match": {"model": "test-model", "tool": "t"}, "reply": "yes"})
    assert said(held) is None
    assert said(held, asked=facts(tools=("t",))) == "yes"


def test_facts_are_only_read_where_a_matcher_asks_for_them() -> None:
    def never() -> Facts:
        raise AssertionError

    held = holding({"reply": "in order"}, {"call": "a", "reply": "named"})
    assert held.take("a", never) is not None
    assert held.take("b", never) is not None


# What it says


def test_a_reply_becomes_the_script_that_the_emulator_speaks() -> None:
    plain = {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}], "output_tokens": 80}
    held = holding({"reply": {**plain, "thinking_tokens": 20}})
    taken = held.take("a", lambda: PLAIN)
    assert taken is not None
    assert taken.script() == Script(80, [ToolRequest.of("get_weather", {"city": "Oslo"})], None, 20)


def test_a_stop_reason_an_error_and_a_fault_are_handed_on() -> None:
    held = holding(
        {"reply": {"text": "No.", "stop_reason": "refusal"}},
        {"error": {"status": 529, "message": "Overloaded", "retry_after": 2}},
        {"fault": "stall"},
        {"fault": {"kind": "cut", "after": 0.25}, "reply": "Hello"},
    )
    refused, failed, faulty, cut = (held.take("a", lambda: PLAIN) for _ in range(4))
    assert refused is not None
    assert (refused.stop_reason, refused.script()) == ("refusal", Script(0, [], "No."))
    assert failed is not None
    assert failed.error == ErrorReply(status=529, message="Overloaded", retry_after=2)
    assert faulty is not None
    assert (faulty.fault, faulty.script()) == (FaultRule(kind="stall"), None)
    assert cut is not None
    assert (cut.fault, cut.script()) == (FaultRule(kind="cut", after=0.25), Script(0, [], "Hello"))


# What is left


def test_what_was_not_asked_remains_in_the_order_of_registration() -> None:
    held = Expectations()
    shown = held.register([{"reply": "x", "times": 2}, {"call": "a", "reply": "y"}, {"times": "always", "reply": "z"}])
    assert held.remaining() == shown
    assert [one["number"] for one in shown] == [0, 1, 2]
    for _ in range(3):
        said(held)
    assert [(one["number"], one["asked"]) for one in held.remaining()] == [(1, 0)]
    assert held.register({"reply": "w"})[0]["number"] == 3
    assert held.clear() == 3
    assert not held
    assert held.remaining() == []


def test_what_is_shown_is_what_was_registered() -> None:
    plain = {"match": {"tool": "t"}, "times": 3, "reply": {"text": "x", "stop_reason": "refusal"}}
    (shown,) = Expectations().register(plain)
    assert shown == {"number": 0, "asked": 0, **plain}


@given(st.lists(st.sampled_from(["order", "path", "match"]), max_size=12), st.lists(st.sampled_from("ab"), max_size=30))
def test_every_turn_is_said_exactly_as_often_as_it_was_registered(kinds: list[str], paths: list[str]) -> None:
    whom = {"order": {}, "path": {"call": "a"}, "match": {"match": {"stream": False}}}
    held = holding(*[{**whom[kind], "times": 1 + place % 2, "reply": f"{place}"} for place, kind in enumerate(kinds)])
    answers = [said(held, path) for path in paths]
    counts = {f"{place}": 1 + place % 2 for place in range(len(kinds))}
    for answer in answers:
        if answer is not None:
            counts[answer] -= 1
    left = {one["reply"]["text"]: one.get("times", 1) - one["asked"] for one in held.remaining()}
    assert {text: count for text, count in counts.items() if count} == left
    # Nothing is kept back from a request that could have had it.
    free = sum(counts[f"{place}"] for place, kind in enumerate(kinds) if kind != "path")
    assert not (None in answers and free)


# What cannot be read


@pytest.mark.parametrize(
    ("plain", "line"),
    [
        ({"reply": {"text": 5}}, "reply.text: Input should be a valid string"),
        ({"reply": "x", "repeat": 2}, "repeat: there is no such field"),
        ({"match": {"models": "m"}, "reply": "x"}, "match.models: there is no such field"),
        ({"match": {}, "reply": "x"}, "match: no condition is given; leave `match` out to take the next request"),
        ({"match": {"regex": "("}, "reply": "x"}, "match.regex: not a regular expression"),
        ({"call": "a b", "reply": "x"}, "call: x-mockllm-call: 'a b' is no call path"),
        ({"call": "a", "match": {"model": "m"}, "reply": "x"}, "give call or match, not both"),
        ({"reply": "x", "times": 0}, 'times: give a whole number from 1 on, or "always"'),
        ({"reply": "x", "times": True}, 'times: give a whole number from 1 on, or "always"'),
        ({"reply": "x", "times": "often"}, 'times: give a whole number from 1 on, or "always"'),
        ({"reply": {}}, "reply: give text, tool_calls or output_tokens"),
        ({"reply": {"text": "x", "output_tokens": 5}}, "reply: give text or output_tokens, not both"),
        ({"reply": {"text": "x", "stop_reason": "end_turn"}}, "reply.stop_reason: Input should be 'refusal'"),
        ({"reply": {"tool_calls": [{"name": ""}]}}, "reply.tool_calls.0.name: String should have at least 1 char"),
        ({"error": {"status": 200}}, "error.status: Input should be greater than or equal to 400"),
        ({"error": {"status": 500}, "reply": "x"}, "give an error alone"),
        ({"fault": "hiccup"}, "fault.kind: Input should be 'rate_limit'"),
        ({"fault": {"kind": "stall", "rate": 0.5}}, "fault: leave out rate, call and attempts"),
        ({"times": 2}, "give a reply, an error or a fault"),
        ({}, "give a reply, an error or a fault"),
        ("reply", "give a JSON object"),
        (None, "give a JSON object"),
        ([{"reply": "x"}, {"reply": {"text": []}}], "1.reply.text: Input should be a valid string"),
        ([{"reply": "x"}, 5], "1: give a JSON object"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_field(plain: Any, line: str) -> None:
    held = Expectations()
    with pytest.raises(ExpectationError) as caught:
        held.register(plain)
    assert str(caught.value).startswith(line)
    assert len(str(caught.value).splitlines()) == 1
    assert not held  # all or none


def test_arguments_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(ExpectationError, match=r"reply\.tool_calls\.0.*arguments"):
        holding({"reply": {"tool_calls": [{"name": "t", "arguments": {"x": "\ud800"}}]}})


def test_a_registration_is_frozen() -> None:
    assert Expectation.model_config["frozen"]


# What a matcher knows of a request


def test_the_last_user_text_is_the_latest_that_was_said_and_results_leave_it_standing() -> None:
    asked = [system_block("Be brief.", COUNTER), user("Hello"), text_block("assistant", "Hi", COUNTER), user("Oslo?")]
    called = [
        tool_use_block("toolu_1", "get_weather", "{}", COUNTER),
        tool_result_block("toolu_1", "5°", False, COUNTER),
    ]
    before, after = Facts.of(request(*asked), COUNTER), Facts.of(request(*asked, *called), COUNTER)
    assert (before.last_user, before.has_tool_results) == ("Oslo?", False)
    assert (after.last_user, after.has_tool_results) == ("Oslo?", True)
    assert before.system == after.system == "Be brief."
    assert before.stream


def test_results_of_an_earlier_turn_are_not_the_last_turn_s() -> None:
    blocks = [
        user("Oslo?"),
        tool_use_block("toolu_1", "get_weather", "{}", COUNTER),
        tool_result_block("toolu_1", "5°", True, COUNTER),
        text_block("assistant", "Cold.", COUNTER),
        user("Thanks"),
    ]
    asked = Facts.of(request(*blocks), COUNTER)
    assert (asked.last_user, asked.has_tool_results) == ("Thanks", False)


def test_a_turn_of_several_blocks_is_one_text_and_a_system_message_is_no_user() -> None:
    image = opaque_block("user", {"type": "image"}, 1600, eligible=True)
    blocks = [system_block("One.", COUNTER), user("Look"), image, user("here"), text_block("system", "Two.", COUNTER)]
    asked = Facts.of(request(*blocks), COUNTER)
    assert (asked.last_user, asked.system) == ("Look\nhere", "One.\nTwo.")


def test_passages_are_written_out_and_only_what_the_request_sends_counts() -> None:
    sent = request(tool_block(WEATHER, COUNTER), user(Passage("a/b", 50)), user("later"), tools=(WEATHER,))
    sent.size = 2
    asked = Facts.of(sent, COUNTER)
    assert asked.last_user == Passage("a/b", 50).render(200)
    assert asked.tools == ("get_weather",)


def test_no_pattern_takes_longer_than_the_text_is_long() -> None:
    waiting = Expectations()
    waiting.register({"match": {"regex": "(a+)+$"}, "reply": "x"})
    asked = Facts("m", False, "", "a" * 50_000 + "b", (), False)
    assert waiting.take("call", lambda: asked) is None  # an engine that goes back on its steps would never come to it


@pytest.mark.parametrize("regex", ["(?=a)b", r"(a)\1", "("])
def test_a_pattern_that_such_a_search_cannot_have_is_refused_in_one_line(regex: str) -> None:
    with pytest.raises(
        ExpectationError, match=r"^match\.regex: not a regular expression that can be searched"
    ) as caught:
        Expectations().register({"match": {"regex": regex}, "reply": "x"})
    assert "\n" not in str(caught.value)
