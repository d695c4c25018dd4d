from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.identity import CALL_HEADER, Identity, Occurrences
from mockllm.core.request import FIVE_MINUTES_US, Breakpoint, Request, TokenCounter, scope
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.anthropic_request import RequestReader

HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
NEWER = {"authorization": "Bearer key", "anthropic-version": "2026-10-21"}
ASKED: dict[str, Any] = {"model": "test-model", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
LOOK = {"name": "look", "input_schema": {"type": "object"}}
SEE = {"name": "see", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}


def reader() -> RequestReader:
    profile = make_profile()
    return RequestReader(profile, TokenCounter(profile.tokens), Occurrences())


def read(headers: dict[str, str] = HEADERS, **fields: Any) -> Request:
    return reader().read(headers, json.dumps({**ASKED, **fields}).encode())


def refused(headers: dict[str, str] = HEADERS, **fields: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        read(headers, **fields)
    return caught.value.status, caught.value.message


def test_a_request_carries_what_was_asked() -> None:
    request = read(stream=True, cache_control={"type": "ephemeral"}, system="Be brief.", tools=[LOOK])
    assert (request.model, request.max_tokens, request.stream, request.size) == ("test-model", 10, True, 3)
    assert request.breakpoints == (Breakpoint(2, FIVE_MINUTES_US),)
    assert request.tools == (LOOK,)
    assert not request.answers_tools


@pytest.mark.parametrize("kind", ["auto", "any"])
def test_whoever_wants_no_calls_side_by_side_says_so(kind: str) -> None:
    assert not read(tools=[LOOK], tool_choice={"type": kind}).one_call
    assert read(tools=[LOOK], tool_choice={"type": kind, "disable_parallel_tool_use": True}).one_call


def test_a_call_path_names_the_request_and_a_bad_one_is_refused() -> None:
    assert read({**HEADERS, CALL_HEADER: "main/turn-3"}).identity == Identity("main/turn-3")
    status, message = refused({**HEADERS, CALL_HEADER: "main//turn"})
    assert status == 400
    assert message.startswith(f"{CALL_HEADER}: ")


def test_requests_without_a_path_are_named_by_what_they_ask_and_counted() -> None:
    reads = reader()
    raw = json.dumps(ASKED).encode()
    reordered = json.dumps(dict(reversed(ASKED.items())), indent=1).encode()
    other = json.dumps({**ASKED, "system": "Be brief."}).encode()
    first, again, different = (reads.read(HEADERS, sent).identity for sent in (raw, reordered, other))
    assert first.path.startswith("content:")
    assert (again.path, again.attempt) == (first.path, 1)
    assert (different.path != first.path, different.attempt) == (True, 0)
    assert reader().read(NEWER, raw).identity == first


def test_a_refused_request_is_not_counted() -> None:
    reads = reader()
    five = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}] * 5
    for fields in ({"max_tokens": 64_001}, {"messages": [{"role": "user", "content": five}]}):
        with pytest.raises(ApiError):
            reads.read(HEADERS, json.dumps({**ASKED, **fields}).encode())
    assert reads.read(HEADERS, json.dumps(ASKED).encode()).identity.attempt == 0


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication failed"),
        ({"anthropic-version": "2023-06-01", "x-api-key": " "}, 401, "authentication failed"),
        ({"anthropic-version": "2023-06-01", "authorization": "Basic abc"}, 401, "authentication failed"),
        ({"x-api-key": "key"}, 400, "anthropic-version: header is required"),
        ({"x-api-key": "key", "anthropic-version": "2030-01-01"}, 400, "anthropic-version: '2030-01-01' is not"),
    ],
)
def test_headers_are_checked_before_the_body(headers: dict[str, str], status: int, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        reader().read(headers, b"no JSON")
    assert caught.value.status == status
    assert caught.value.message.startswith(message)


def test_what_fails_is_named_in_the_order_json_schema_model_limits() -> None:
    assert refused(model="other", max_tokens=10**9, colour=1) == (400, "colour: Extra inputs are not permitted")
    assert refused(model="other", max_tokens=10**9) == (404, "model: other")
    status, message = refused(max_tokens=10**9)
    assert (status, message.startswith("max_tokens: 1000000000 > 64000, ")) == (400, True)


def test_max_tokens_is_required_for_an_answer() -> None:
    with pytest.raises(ApiError, match="max_tokens: Field required"):
        reader().read(HEADERS, json.dumps({k: v for k, v in ASKED.items() if k != "max_tokens"}).encode())


@pytest.mark.parametrize("field", [{"temperature": 1.0}, {"top_p": 0.5}, {"top_k": 5}])
def test_sampling_parameters_are_refused_by_the_newer_version_alone(field: dict[str, Any]) -> None:
    read(HEADERS, **field)
    name = next(iter(field))
    assert refused(NEWER, **field) == (400, f"{name}: Extra inputs are not permitted in anthropic-version 2026-10-21")


@pytest.mark.parametrize(
    ("role", "block", "message"),
    [
        (
            "assistant",
            {"type": "document", "source": {"type": "text", "data": "a"}},
            "messages.0.content.0: `document`",
        ),
        ("user", {"type": "text", "text": "a", "citations": [{"type": "x"}]}, "messages.0.content.0.citations: "),
    ],
)
def test_blocks_that_the_newer_version_refuses_pass_under_the_older(role: str, block: Any, message: str) -> None:
    messages = [{"role": role, "content": [block]}]
    read(HEADERS, messages=messages)
    assert refused(NEWER, messages=messages)[1].startswith(message)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ({"stream": True}, "stream"),
        ({"thinking": {"type": "adaptive"}}, "thinking"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, "output_config.format"),
        ({"tools": [LOOK], "tool_choice": {"type": "any"}}, "tool_choice"),
    ],
)
def test_filling_the_cache_goes_with_nothing_that_needs_an_answer(field: dict[str, Any], name: str) -> None:
    assert read(max_tokens=0).max_tokens == 0
    assert refused(max_tokens=0, **field)[1].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("choice", "callable_tools"),
    [
        (None, (LOOK, SEE)),
        ({"type": "auto"}, (LOOK, SEE)),
        ({"type": "none"}, ()),
        ({"type": "tool", "name": "see"}, (SEE,)),
    ],
)
def test_only_tools_that_the_client_runs_and_the_choice_allows_may_be_called(choice: Any, callable_tools: Any) -> None:
    assert read(tools=[LOOK, SEARCH, SEE], tool_choice=choice).tools == callable_tools


def test_results_are_answered_unless_another_call_is_demanded() -> None:
    messages = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "seen"}]},
    ]
    assert read(messages=messages, tools=[LOOK]).answers_tools
    assert not read(messages=messages, tools=[LOOK], tool_choice={"type": "any"}).answers_tools


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tools": [LOOK, LOOK]}, "tools: Tool names must be unique."),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "see"}}, "tool_choice: tool 'see' is not among"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool"}}, "tool_choice.tool.name: Field required"),
    ],
)
def test_tools_that_do_not_fit_together_are_refused(fields: dict[str, Any], message: str) -> None:
    assert refused(**fields)[1].startswith(message)


def test_counting_needs_no_limit_and_allows_none() -> None:
    counted = {"model": "test-model", "messages": ASKED["messages"], "system": "a" * 40}
    assert reader().count(HEADERS, json.dumps(counted).encode()) == 11
    with pytest.raises(ApiError, match="max_tokens: Extra inputs are not permitted"):
        reader().count(HEADERS, json.dumps({**counted, "max_tokens": 5}).encode())


def test_the_scope_is_one_model_in_one_workspace() -> None:
    assert len({scope("m"), scope("n"), scope("m", "team"), scope("n", "team")}) == 4


_TEXTS = st.text(max_size=8)
_KEYS = st.sampled_from(
    """model messages max_tokens system tools tool_choice cache_control thinking stream role content type text id name
    input input_schema tool_use_id source ttl citations signature data budget_tokens is_error""".split()  # noqa: SIM905  # a list of words
)
_WORDS = st.sampled_from(
    """user assistant system text tool_use tool_result thinking image document ephemeral 5m 1h auto any tool none
    adaptive enabled test-model look \ud800""".split()  # noqa: SIM905  # a list of words
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | _TEXTS, inner, max_size=5),
    max_leaves=25,
)
_MARKER = st.none() | st.just({"type": "ephemeral"}) | st.just({"type": "ephemeral", "ttl": "1h"}) | _JSON
_MARKED: dict[str, st.SearchStrategy[Any]] = {"cache_control": _MARKER}
_IDS = st.sampled_from(["a", "b"])
_BLOCK = (
    st.fixed_dictionaries({"type": st.just("text"), "text": _TEXTS}, optional=_MARKED)
    | st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": _IDS, "name": st.just("look"), "input": st.dictionaries(_TEXTS, _JSON)},
        optional=_MARKED,
    )
    | st.fixed_dictionaries(
        {"type": st.just("tool_result"), "tool_use_id": _IDS, "content": _TEXTS | st.none() | _JSON}, optional=_MARKED
    )
    | st.fixed_dictionaries({"type": st.sampled_from(["image", "document"]), "source": _JSON}, optional=_MARKED)
    | st.fixed_dictionaries({"type": st.just("thinking"), "thinking": _TEXTS, "signature": _TEXTS})
    | _JSON
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": _TEXTS | st.lists(_BLOCK, max_size=4)}
    ),
    max_size=4,
)
_BODIES = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["test-model"] * 9 + ["other"]),
        "max_tokens": st.integers(0, 70_000),
        "messages": _MESSAGES,
    },
    optional={
        "system": _TEXTS | st.lists(_BLOCK, max_size=2),
        "tools": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from("abcd"), "input_schema": st.dictionaries(_KEYS, _JSON)}, optional=_MARKED
            ),
            max_size=3,
        ),
        "tool_choice": st.fixed_dictionaries({"type": _WORDS}, optional={"name": _WORDS}) | _JSON,
        "thinking": st.fixed_dictionaries({"type": _WORDS}) | _JSON,
        "cache_control": _MARKER,
        "stream": st.booleans() | _JSON,
    },
)
_SENT = st.binary(max_size=40) | (_JSON | _BODIES).map(lambda value: json.dumps(value).encode())
_HEADERS = st.fixed_dictionaries(
    {"x-api-key": st.just("key") | _TEXTS, "anthropic-version": st.sampled_from(["2023-06-01", "2026-10-21", ""])},
    optional={CALL_HEADER: _TEXTS, "authorization": _TEXTS, "anthropic-workspace-id": _TEXTS},
)


@given(headers=_HEADERS | st.sampled_from([HEADERS, NEWER]), raw=_SENT)
def test_whatever_is_sent_becomes_a_request_or_a_refusal_of_one_line(headers: dict[str, str], raw: bytes) -> None:
    for ask in (reader().read, reader().count):
        answer = answer_to(ask, headers, raw)
        if isinstance(answer, ApiError):
            assert answer.status in (400, 401, 404)
            assert answer.message
            assert "\n" not in answer.message
        else:
            assert isinstance(answer, (Request, int))


def answer_to(ask: Callable[[dict[str, str], bytes], Request | int], headers: dict[str, str], raw: bytes) -> object:
    try:
        return ask(headers, raw)
    except ApiError as error:
        return error


def test_stop_sequences_schema_and_the_message_to_compare_with_are_carried() -> None:
    schema = {"type": "object"}
    request = read(
        stop_sequences=["END", "\n\n"[:1] + "x"],
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": schema}},
        diagnostics={"previous_message_id": "msg_1"},
    )
    assert request.stop_sequences == ("END", "\nx")
    assert request.output_schema == schema
    assert request.previous_id == "msg_1"
    assert read().output_schema is read().previous_id is None
    assert read().workspace != read({**HEADERS, "x-api-key": "other"}).workspace


RESULTS = [
    {"role": "user", "content": "look"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "seen"}]},
]


@pytest.mark.parametrize(
    ("thinking", "shown", "between"),
    [
        ({"type": "adaptive"}, "summarized", "summarized"),
        ({"type": "adaptive", "display": "omitted"}, "omitted", "omitted"),
        ({"type": "enabled", "budget_tokens": 1024}, "summarized", "summarized"),
        ({"type": "between_tools"}, "", "summarized"),
        ({"type": "disabled"}, "", ""),
    ],
)
def test_thinking_is_shown_as_it_is_asked_for(thinking: dict[str, Any], shown: str, between: str) -> None:
    assert read(thinking=thinking, max_tokens=2000).thinking == shown
    assert read(thinking=thinking, max_tokens=2000, messages=RESULTS).thinking == between
    assert read(thinking=thinking, max_tokens=2000).thinking_most == thinking.get("budget_tokens")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stop_sequences": ["a", " \n"]}, "stop_sequences: each stop sequence must contain non-whitespace"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens: Field required"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1023}},
            "thinking.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1024},
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: Field required"),
        ({"output_config": {"format": {"type": "xml", "schema": {}}}}, "output_config.format.type: Input should be"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(fields: dict[str, Any], message: str) -> None:
    status, told = refused(**fields)
    assert status == 400
    assert told.startswith(message)


def test_any_model_is_answered_where_that_is_wanted() -> None:
    asked = json.dumps({**ASKED, "model": "gpt-nobody"}).encode()
    reads = reader()
    with pytest.raises(ApiError) as caught:
        reads.read(HEADERS, asked)
    assert caught.value.status == 404
    reads.any_model = True
    assert reads.read(HEADERS, asked).model == "gpt-nobody"


NEW = {"source": "tests", "prefill": False, "thinking_enabled": False, "forced_tool_choice": False}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"messages": [*ASKED["messages"], {"role": "assistant", "content": "It is"}]},
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ),
        (
            {
                "messages": [
                    *ASKED["messages"],
                    {"role": "assistant", "content": "It"},
                    {"role": "system", "content": "s"},
                ]
            },
            "This model does not support assistant message prefill.",
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
            '"thinking.type.enabled" is not supported for this model.',
        ),
        ({"tools": [LOOK], "tool_choice": {"type": "any"}}, "tool_choice: "),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "look"}}, "tool_choice: "),
    ],
)
def test_a_model_refuses_what_its_profile_says_and_others_take_it(fields: dict[str, Any], message: str) -> None:
    assert read(**fields).identity
    profile = make_profile(rules=NEW)
    with pytest.raises(ApiError) as caught:
        RequestReader(profile, TokenCounter(profile.tokens), Occurrences()).read(
            HEADERS, json.dumps({**ASKED, **fields}).encode()
        )
    assert caught.value.status == 400
    assert caught.value.message.startswith(message)


def test_a_system_message_may_end_the_first_turn_of_any_model() -> None:
    profile = make_profile(rules=NEW)
    messages = [*ASKED["messages"], {"role": "system", "content": "Be brief."}]
    assert RequestReader(profile, TokenCounter(profile.tokens), Occurrences()).read(
        HEADERS, json.dumps({**ASKED, "messages": messages}).encode()
    )
