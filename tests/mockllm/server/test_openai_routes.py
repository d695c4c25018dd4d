"""OpenAI's endpoints as OpenAI's own SDK sees them."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai_for_tests import ASKED, KEY, WEATHER, openai_in_warp
from profiles_for_tests import make_profile
from server_for_tests import Recorder, Served

from mockllm.core.draws import Draws
from mockllm.core.faults import read_rules
from mockllm.core.identity import CALL_HEADER
from mockllm.core.reply import Script
from mockllm.core.speaker import DefaultSpeaker
from mockllm.server.openai_routes import speaks_openai

SPEAKER = DefaultSpeaker(Draws(1, 0))


def long_winded(_: object) -> Script:
    return Script(200)


def failing(served: Served, kind: str, **fields: object) -> None:
    served.runs.default.faults = read_rules({"kind": kind, **fields})


async def streamed(sdk: AsyncOpenAI, **fields: Any) -> tuple[str, Any]:
    """The text and the last chunk of a streamed completion."""
    text, chunk = "", None
    async for chunk in await sdk.chat.completions.create(**{**ASKED, **fields}, stream=True):
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    return text, chunk


@pytest.mark.parametrize(
    ("path", "headers", "spoken"),
    [
        ("/v1/chat/completions", {"anthropic-version": "2023-06-01"}, True),
        ("/v1/responses", {}, True),
        ("/v1/models", {}, True),
        ("/v1/models/x", {"anthropic-version": "2023-06-01"}, False),
        ("/v1/messages", {}, False),
        ("/v1/nothing", {}, False),
        ("/", {}, False),
    ],
)
def test_a_path_says_whose_protocol_it_is(path: str, headers: dict[str, str], spoken: bool) -> None:
    assert speaks_openai(path, headers) is spoken


def test_a_completion_comes_whole_and_streamed_alike() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> tuple[Any, str, Any]:
        named = {"extra_headers": {CALL_HEADER: "main/turn-1"}}
        whole = await sdk.chat.completions.create(**ASKED, **named)
        text, last = await streamed(sdk, stream_options={"include_usage": True})
        return whole, text, last

    whole, text, last = openai_in_warp(talk, speak=long_winded)
    assert whole.choices[0].finish_reason == "stop"
    assert len(whole.choices[0].message.content) == len(text) == 800
    assert whole.usage.completion_tokens == last.usage.completion_tokens == 200
    assert whole.usage.prompt_tokens == 3


def test_every_token_comes_at_its_planned_instant() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> list[tuple[float, str]]:
        stream = await sdk.chat.completions.create(**ASKED, stream=True)
        seen = [(served.loop.time(), chunk.choices[0].delta.content) async for chunk in stream]
        assert isinstance(served.emulator, Recorder)
        (answer,) = served.emulator.answers
        visible = [at_s for at_s, text in seen if text]
        assert visible[0] == answer.first_us / 1e6
        assert visible[-1] == answer.end_us / 1e6
        return seen

    assert len(openai_in_warp(talk, speak=long_winded)) > 20


def test_an_agent_calls_a_tool_and_answers_with_its_result() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> tuple[Any, Any]:
        messages: list[Any] = [*ASKED["messages"]]
        ask = {"model": "test-model", "messages": messages, "tools": [WEATHER]}
        turn = (await sdk.chat.completions.create(**ask)).choices[0]
        messages.append(turn.message.model_dump(exclude_none=True))
        calls = turn.message.tool_calls or ()
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "12 degrees"} for call in calls]
        return turn, (await sdk.chat.completions.create(**ask)).choices[0]

    turn, final = openai_in_warp(talk, speak=SPEAKER)
    assert turn.finish_reason == "tool_calls"
    assert turn.message.tool_calls[0].function.name == "get_weather"
    assert turn.message.tool_calls[0].function.arguments.startswith('{"city":')
    assert final.finish_reason == "stop"
    assert final.message.content


def test_a_streamed_call_accumulates_to_the_whole_one() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> Any:
        ask = {**ASKED, "tools": [WEATHER], "tool_choice": "required"}
        async with sdk.chat.completions.stream(**ask) as stream:
            return (await stream.get_final_completion()).choices[0]

    choice = openai_in_warp(talk, speak=SPEAKER)
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name == "get_weather"


def test_structured_output_is_valid_against_its_schema() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> str:
        schema = {"name": "answer", "schema": {"type": "object", "properties": {"late": {"const": True}}}}
        wanted: Any = {"type": "json_schema", "json_schema": schema}
        return str((await sdk.chat.completions.create(**ASKED, response_format=wanted)).choices[0].message.content)

    assert openai_in_warp(talk, speak=SPEAKER) == '{"late":true}'


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "gpt-nobody"}, openai.NotFoundError, "model_not_found"),
        ({"n": 3}, openai.BadRequestError, "invalid_value"),
        ({"messages": "q"}, openai.BadRequestError, "invalid_type"),
    ],
)
def test_a_refusal_is_raised_by_the_sdk_with_its_code(
    fields: dict[str, Any], error: type[openai.APIStatusError], code: str
) -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> openai.APIStatusError:
        with pytest.raises(error) as caught:
            await sdk.chat.completions.create(**{**ASKED, **fields})
        return caught.value

    raised = openai_in_warp(talk)
    assert raised.code == code
    assert raised.request_id == raised.response.headers["x-request-id"]
    assert str(raised.request_id).startswith("req_")


def test_a_missing_key_is_refused_in_this_api_s_shape_under_any_prefix() -> None:
    async def talk(_: AsyncOpenAI, served: Served) -> list[Any]:
        paths = ("/v1/chat/completions", "/_run/one/v1/chat/completions")
        return [await served.http.post(path, json=ASKED) for path in paths]

    for response in openai_in_warp(talk):
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert "request-id" not in response.headers


def test_a_path_of_this_api_that_is_not_spoken_is_refused_in_its_shape() -> None:
    async def talk(_: AsyncOpenAI, served: Served) -> Any:
        return await served.http.post("/v1/embeddings", json={}, headers=KEY)

    response = openai_in_warp(talk)
    assert (response.status_code, set(response.json())) == (404, {"error"})


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("rate_limit", openai.RateLimitError, 429),
        ("server_error", openai.InternalServerError, 500),
        ("timeout", openai.InternalServerError, 504),
        ("overloaded", openai.InternalServerError, 503),
    ],
)
def test_a_planned_refusal_has_the_status_that_this_api_has_for_it(
    kind: str, error: type[openai.APIStatusError], status: int
) -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[openai.APIStatusError, int]:
        failing(served, kind, retry_after_s=7)
        with pytest.raises(error) as caught:
            await sdk.chat.completions.create(**ASKED)
        return caught.value, next(iter(served.runs.default.log)).status

    raised, logged = openai_in_warp(talk)
    assert raised.status_code == logged == status
    assert raised.response.headers.get("retry-after") == ("7" if status == 429 else None)


def test_the_sdk_retries_what_can_be_retried() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[Any, list[int]]:
        failing(served, "overloaded", call="main/turn-1", attempts=[0, 1])
        patient = sdk.with_options(max_retries=2)
        patient._platform = sdk._platform
        answer = await patient.chat.completions.create(**ASKED, extra_headers={CALL_HEADER: "main/turn-1"})
        return answer, [entry.status for entry in served.runs.default.log]

    answer, statuses = openai_in_warp(talk)
    assert answer.choices[0].finish_reason == "stop"
    assert statuses == [503, 503, 200]


def test_a_stream_that_fails_midway_is_an_error_of_no_status() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> openai.APIError:
        failing(served, "error_event")
        with pytest.raises(openai.APIError, match="Overloaded") as caught:
            await streamed(sdk)
        return caught.value

    raised = openai_in_warp(talk, speak=long_winded)
    assert not isinstance(raised, openai.APIStatusError)
    assert raised.type == "service_unavailable_error"


def test_a_cut_stream_is_a_connection_error() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> None:
        failing(served, "cut")
        with pytest.raises(openai.APIConnectionError):
            await streamed(sdk)

    openai_in_warp(talk, speak=long_winded)


def test_a_truncated_stream_ends_without_a_reason() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> Any:
        failing(served, "truncated")
        return (await streamed(sdk))[1]

    assert openai_in_warp(talk, speak=long_winded).choices[0].finish_reason is None


def test_what_every_answer_carries_is_planned() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[Any, Any, Any]:
        whole = await sdk.chat.completions.with_raw_response.create(**ASKED)
        streaming = await sdk.chat.completions.with_raw_response.create(**ASKED, stream=True)
        assert isinstance(served.emulator, Recorder)
        return whole, streaming, served.emulator.answers

    whole, streaming, (first, second) = openai_in_warp(talk)
    assert whole.headers["openai-processing-ms"] == str(first.timeline.end_us // 1000)
    assert streaming.headers["openai-processing-ms"] == str(second.timeline.first_us // 1000)
    assert {"x-request-id", "openai-organization", "openai-version"} <= set(whole.headers)
    assert whole.headers["x-request-id"] != streaming.headers["x-request-id"]


def test_ignoring_the_end_fills_the_limit() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> Any:
        return await sdk.chat.completions.create(**ASKED, max_tokens=4000, extra_body={"ignore_eos": True})

    assert openai_in_warp(talk, speak=SPEAKER).usage.completion_tokens == 4000


def test_both_protocols_are_spoken_on_a_profile_of_either_provider() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[Any, Any]:
        return await sdk.chat.completions.create(**ASKED), await served.create()

    completion, message = openai_in_warp(talk, profile=make_profile(provider="openai"))
    assert completion.usage.completion_tokens == message.usage.output_tokens == 20
