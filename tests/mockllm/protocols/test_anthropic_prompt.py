from __future__ import annotations

import json
from typing import Any

import pytest
from profiles_for_tests import make_profile

from mockllm.core.request import Prefix, TokenCounter, scope, system_block, text_block, tool_block, tool_result_block
from mockllm.protocols.anthropic_body import read_body
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.anthropic_prompt import Prompt, render

COUNTER = TokenCounter(make_profile().tokens)
TOOL = {"name": "look", "description": "Look it up", "input_schema": {"type": "object"}}
CACHED = {"type": "ephemeral"}
CALL = {"type": "tool_use", "id": "t", "name": "look", "input": {"b": 1, "a": 2}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


def prompt(**fields: Any) -> Prompt:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    body = read_body(json.dumps(asked).encode())
    return render(body, "scope", COUNTER)


def hashes(**fields: Any) -> list[bytes]:
    return prompt(**fields).prefix.hashes


def said(*blocks: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(blocks)}]


def test_blocks_are_rendered_tools_then_system_then_messages_as_the_sim_world_builds_them() -> None:
    rendered = prompt(tools=[TOOL], system="Be brief.").prefix
    built = Prefix(scope("m", "scope"))
    built.append(tool_block(TOOL, COUNTER))
    built.append(system_block("Be brief.", COUNTER))
    built.append(text_block("user", "hi", COUNTER))
    assert [block.level for block in rendered.blocks] == ["tools", "system", "messages"]
    assert rendered.hashes == built.hashes
    assert rendered.totals == built.totals


def test_a_marker_is_no_part_of_what_it_marks() -> None:
    plain = {"type": "text", "text": "hi"}
    assert hashes(
        tools=[{**TOOL, "cache_control": CACHED}],
        system=[{**plain, "cache_control": CACHED}],
        messages=said({**plain, "cache_control": CACHED}, {**IMAGE, "cache_control": CACHED}),
    ) == hashes(tools=[TOOL], system=[plain], messages=said(plain, IMAGE))


def test_marks_carry_their_block_and_the_path_at_which_they_stand() -> None:
    marks = prompt(
        tools=[TOOL, {**TOOL, "name": "see", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        system=[{"type": "text", "text": "a", "cache_control": CACHED}],
        messages=[*said({"type": "text", "text": "b"}), *said({"type": "text", "text": "c", "cache_control": CACHED})],
    ).marks
    assert [(mark.index, mark.ttl, mark.path) for mark in marks] == [
        (1, "1h", "tools.1.cache_control"),
        (2, "5m", "system.0.cache_control"),
        (4, "5m", "messages.1.content.0.cache_control"),
    ]


def test_a_property_called_cache_control_stays_in_a_tool_s_schema() -> None:
    schema = {"type": "object", "properties": {"cache_control": {"type": "string"}}}
    assert prompt(tools=[{**TOOL, "input_schema": schema}]).tools == [{**TOOL, "input_schema": schema}]


def test_merged_turns_split_turns_and_strings_are_one_prompt() -> None:
    one, two = {"type": "text", "text": "one"}, {"type": "text", "text": "two"}
    assert hashes(messages=said(one, two)) == hashes(
        messages=[{"role": "user", "content": "one"}, {"role": "user", "content": [two]}]
    )
    assert hashes(messages=said(one)) != hashes(messages=said(one, role="assistant"))


@pytest.mark.parametrize("content", ["so it is", [{"type": "text", "text": "so "}, {"type": "text", "text": "it is"}]])
def test_a_tool_result_is_one_text_in_whatever_form_it_comes(content: Any) -> None:
    messages = [*said(CALL, role="assistant"), *said({"type": "tool_result", "tool_use_id": "t", "content": content})]
    assert prompt(messages=messages).prefix.blocks[-1] == tool_result_block("t", "so it is", False, COUNTER)


def test_a_marker_inside_a_tool_result_marks_the_result() -> None:
    inner = {"type": "text", "text": "x", "cache_control": CACHED}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [inner, {"type": "text", "text": "y"}]}
    (mark,) = prompt(messages=[*said(CALL, role="assistant"), *said(result)]).marks
    assert (mark.index, mark.path) == (1, "messages.1.content.0.cache_control")


def test_the_order_of_keys_counts_inside_a_call_and_nowhere_in_a_tool() -> None:
    turned = {**CALL, "input": {"a": 2, "b": 1}}
    assert hashes(messages=said(CALL, role="assistant")) != hashes(messages=said(turned, role="assistant"))
    assert hashes(tools=[TOOL]) == hashes(tools=[dict(reversed(TOOL.items()))])


def test_an_empty_text_can_carry_no_marker() -> None:
    with pytest.raises(ApiError, match=r"messages\.0\.content\.0\.cache_control: .* empty text"):
        prompt(messages=said({"type": "text", "text": "", "cache_control": CACHED}))


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"thinking": {"type": "adaptive"}},
        {"messages": said({"type": "text", "text": "hi"}, IMAGE)},
    ],
)
def test_tool_choice_thinking_and_images_invalidate_the_messages_alone(fields: dict[str, Any]) -> None:
    plain = hashes(tools=[TOOL], system="Be brief.")
    changed = hashes(**{"tools": [TOOL], "system": "Be brief.", **fields})
    assert changed[:3] == plain[:3]
    assert changed[3] != plain[3]


def test_what_is_the_default_invalidates_nothing() -> None:
    assert hashes(
        tools=[TOOL], tool_choice={"type": "auto"}, thinking={"type": "disabled"}, speed="standard"
    ) == hashes(tools=[TOOL])


def test_speed_invalidates_the_system_prompt_and_what_follows() -> None:
    plain = hashes(tools=[TOOL], system="Be brief.")
    fast = hashes(tools=[TOOL], system="Be brief.", speed="fast")
    assert fast[:2] == plain[:2]
    assert fast[2] != plain[2]
    assert hashes(tools=[TOOL], speed="fast")[2] != hashes(tools=[TOOL])[2]


def test_a_second_image_keeps_what_was_cached_with_the_first() -> None:
    one = hashes(messages=said({"type": "text", "text": "hi"}, IMAGE))
    two = hashes(messages=said({"type": "text", "text": "hi"}, IMAGE, IMAGE))
    assert two[: len(one)] == one


def test_returned_thinking_counts_and_is_no_cache_block() -> None:
    thought = {"type": "thinking", "thinking": "a" * 40, "signature": "s" * 400}
    hidden = {"type": "redacted_thinking", "data": "b" * 20}
    blocks = prompt(messages=said(thought, hidden, role="assistant")).prefix.blocks
    assert [(block.tokens, block.eligible) for block in blocks] == [(10, False), (5, False)]


def test_a_null_says_nothing_of_a_block_and_something_inside_what_it_holds() -> None:
    state = {"type": "browser_state", "tabs": [{"title": None}]}
    assert hashes(messages=said({**state, "cache_control": None})) == hashes(messages=said(state))
    assert hashes(messages=said({**state, "tabs": [{}]})) != hashes(messages=said(state))
    held = {"type": "tool_result", "tool_use_id": "t", "content": [{**IMAGE, "cache_control": None}], "is_error": None}
    plain = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}
    assert hashes(messages=said(held)) == hashes(messages=said(plain))


def test_the_content_is_named_alike_whoever_asks_and_differs_where_it_does() -> None:
    body = read_body(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode())
    mine, yours = (render(body, workspace, COUNTER) for workspace in ("mine", "yours"))
    assert mine.content() == yours.content()
    assert mine.prefix.hashes != yours.prefix.hashes
    assert prompt(thinking={"type": "adaptive"}).content() != prompt().content()
    assert prompt(model="n").content() != prompt().content()


def test_a_web_search_tool_and_citations_change_what_comes_after_the_tools() -> None:
    search = {"type": "web_search_20260318", "name": "web_search"}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}
    cited = {**document, "citations": {"enabled": True}}
    plain, other = (hashes(tools=[TOOL], system="Be brief.", messages=said(one)) for one in (document, cited))
    assert plain[:2] == other[:2]
    assert plain[2] != other[2]
    # Without the tool's own definition the toggle would not be seen where the tools end.
    assert prompt(tools=[search], system="a").salts.system == b"web search"
    assert prompt(tools=[TOOL], system="a", messages=said({**document, "citations": {"enabled": False}})).salts == (
        b"",
        b"",
    )
