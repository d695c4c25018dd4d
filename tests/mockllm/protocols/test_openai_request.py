from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from profiles_for_tests import make_profile

from mockllm.core.identity import CALL_HEADER, Identity, Occurrences
from mockllm.core.request import Automatic, Request, TokenCounter
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_request import OpenAiReader

KEY = {"authorization": "Bearer key"}
ASKED: dict[str, Any] = {"model": "test-model", "messages": [{"role": "user", "content": "Is it late?"}]}
TOOL = {"type": "function", "function": {"name": "clock", "description": "The time.", "parameters": {"type": "object"}}}
PROFILE = make_profile(max_output_tokens=1000, max_input_tokens=5000)


def reader(*, any_model: bool = False) -> OpenAiReader:
    return OpenAiReader(PROFILE, TokenCounter(PROFILE.tokens), Occurrences(), any_model)


def read(headers: Mapping[str, str] = KEY, **fields: Any) -> Request:
    return reader().chat(headers, json.dumps({**ASKED, **fields}).encode())[0]


def refused(headers: Mapping[str, str] = KEY, **fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(headers, **fields)
    return caught.value


def test_a_plain_question_may_be_answered_at_the_model_s_full_length() -> None:
    request = read()
    assert (request.model, request.max_tokens, request.stream, request.tools) == ("test-model", 1000, False, ())
    assert request.total_tokens == 3
    assert request.breakpoints == ()


def test_of_two_limits_the_lower_one_holds() -> None:
    assert read(max_tokens=7).max_tokens == 7
    assert read(max_tokens=7, max_completion_tokens=5).max_tokens == 5


def test_tools_are_offered_in_neutral_form_unless_the_choice_says_otherwise() -> None:
    wanted = {"name": "clock", "description": "The time.", "input_schema": {"type": "object"}}
    assert read(tools=[TOOL]).tools == (wanted,)
    assert read(tools=[TOOL], tool_choice="none").tools == ()


def test_whoever_wants_no_calls_side_by_side_says_so() -> None:
    assert [read(tools=[TOOL], parallel_tool_calls=side).one_call for side in (None, True, False)] == [
        False,
        False,
        True,
    ]
    raw = json.dumps({"model": "test-model", "input": "Is it late?", "parallel_tool_calls": False}).encode()
    assert reader().responses(KEY, raw)[0].one_call


def test_results_end_the_calling_unless_a_call_is_required() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    messages = [
        *ASKED["messages"],
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
    ]
    assert read(messages=messages, tools=[TOOL]).answers_tools
    assert not read(messages=messages, tools=[TOOL], tool_choice="required").answers_tools


def test_stop_schema_key_and_effort_reach_the_request() -> None:
    request = read(
        stop=["\n", ""], response_format={"type": "json_object"}, prompt_cache_key="k", reasoning_effort="high"
    )
    assert (request.stop_sequences, request.output_schema) == (("\n",), {"type": "object"})
    assert (request.cache_key, request.thinking) == ("k", "omitted")
    assert read(stop="x").stop_sequences == ("x",)
    assert (read(stop=None).stop_sequences, read(reasoning_effort="none").thinking) == ((), "")


def test_whoever_ignores_the_end_of_the_text_gets_all_that_is_allowed() -> None:
    assert read(ignore_eos=True, max_tokens=50).least_tokens == 50
    assert read(min_tokens=20).least_tokens == 20
    assert read(min_tokens=20, max_tokens=5).least_tokens == 5
    assert read(ignore_eos=True).least_tokens == 0


def test_the_workspace_is_the_project_or_organisation_or_else_the_key() -> None:
    other_key, project = {"authorization": "Bearer other"}, {"openai-project": "p"}
    assert read().workspace == read().workspace != read(other_key).workspace
    assert read(KEY | project).workspace == read(other_key | project).workspace
    assert read(KEY).prefix.hashes != read(other_key).prefix.hashes


def test_a_request_is_named_by_its_call_path_or_by_its_content() -> None:
    assert read({**KEY, CALL_HEADER: "main/turn-1"}).identity == Identity("main/turn-1", 0)
    same = reader()
    first, second = (same.chat(KEY, json.dumps(ASKED).encode())[0].identity for _ in range(2))
    assert (first.path, first.attempt, second.attempt) == (second.path, 0, 1)
    assert read({"authorization": "Bearer other"}).identity == first
    assert read(tools=[TOOL]).identity != read(tools=[TOOL], tool_choice="required").identity


def test_with_any_model_the_profile_answers_to_every_name() -> None:
    body = json.dumps({**ASKED, "model": "gpt-nobody"}).encode()
    assert reader(any_model=True).chat(KEY, body)[0].model == "gpt-nobody"


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"model": "gpt-nobody"}, 404, "model", "model_not_found"),
        ({"n": 2}, 400, "n", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, 400, "stream_options", "invalid_value"),
        ({"max_tokens": 1001}, 400, "max_tokens", "invalid_value"),
        ({"max_completion_tokens": 0}, 400, "max_completion_tokens", "invalid_value"),
        ({"messages": [{"role": "user", "content": "x" * 20_001}]}, 400, "messages", "context_length_exceeded"),
        ({"tool_choice": "required"}, 400, "tool_choice", "invalid_value"),
    ],
)
def test_what_cannot_be_answered_is_refused(fields: dict[str, Any], status: int, param: str, code: str) -> None:
    error = refused(**fields)
    assert (error.status, error.param, error.code) == (status, param, code)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer "}, {"authorization": "Basic abc"}, {"x-api-key": "k"}]
)
def test_the_lack_of_a_key_is_told_before_anything_else(headers: dict[str, str]) -> None:
    assert refused(headers, model=3).status == 401


@pytest.mark.parametrize("depth", [900, 5_000, 100_000])
def test_deep_nesting_is_read_or_refused_and_never_fails(depth: int) -> None:
    parameters = b'{"a":' * depth + b"1" + b"}" * depth
    tool = b'{"type":"function","function":{"name":"clock","parameters":' + parameters + b"}}"
    raw = json.dumps(ASKED).encode()[:-1] + b',"tools":[' + tool + b"]}"
    with suppress(ApiError):
        assert len(reader().chat(KEY, raw)[0].tools) == 1


def respond(**fields: Any) -> Request:
    return reader().responses(KEY, json.dumps({"model": "test-model", "input": "Is it late?", **fields}).encode())[0]


def test_a_response_is_asked_for_as_a_completion_is() -> None:
    request = respond(
        max_output_tokens=7,
        stream=True,
        tools=[{"type": "function", "name": "clock", "parameters": {"type": "object"}}, {"type": "web_search"}],
        tool_choice="required",
        text={"format": {"type": "json_object"}},
        reasoning={"effort": "low"},
        prompt_cache_key="k",
    )
    assert (request.max_tokens, request.stream, request.cache_key) == (7, True, "k")
    assert [tool["name"] for tool in request.tools] == ["clock"]
    assert (request.output_schema, request.thinking) == ({"type": "object"}, "omitted")


def test_prewarming_generates_nothing() -> None:
    assert respond(prompt_cache_options={"prewarm": True}).max_tokens == 0


def test_a_response_is_refused_for_the_same_reasons() -> None:
    for fields, status in (
        ({"model": "gpt-nobody"}, 404),
        ({"max_output_tokens": 1001}, 400),
        ({"previous_response_id": "resp_1"}, 400),
        ({"input": "x" * 20_001}, 400),
    ):
        with pytest.raises(ApiError) as caught:
            respond(**fields)
        assert caught.value.status == status


def test_what_a_request_says_to_the_cache_is_read() -> None:
    part = {"type": "text", "text": "Be brief.", "prompt_cache_breakpoint": {"mode": "explicit"}}
    messages = [{"role": "system", "content": [part]}, *ASKED["messages"]]
    said = read(messages=messages, prompt_cache_options={"mode": "explicit", "ttl": "30m"}).automatic
    assert said == Automatic(ends=(0, 1), marks=(0,), implicit=False, ttl_us=1_800_000_000)
    assert read(prompt_cache_retention="24h").automatic == Automatic(ends=(0,), retention_us=86_400_000_000)
    assert respond(prompt_cache_options={"ttl": "12h"}).automatic == Automatic(ends=(0,), ttl_us=43_200_000_000)
