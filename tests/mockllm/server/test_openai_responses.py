"""The responses endpoint as OpenAI's own SDK sees it."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai_for_tests import WEATHER, openai_in_warp
from server_for_tests import Recorder, Served

from mockllm.core.draws import Draws
from mockllm.core.faults import read_rules
from mockllm.core.reply import Script
from mockllm.core.speaker import DefaultSpeaker

SPEAKER = DefaultSpeaker(Draws(1, 0))
ASKED: dict[str, Any] = {"model": "test-model", "input": "Is it late?"}
TOOL: Any = {"type": "function", **WEATHER["function"]}


def long_winded(_: object) -> Script:
    return Script(200)


def test_a_response_comes_whole_and_streamed_alike() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> tuple[Any, Any]:
        whole = await sdk.responses.create(**ASKED, instructions="Be brief.")
        async with sdk.responses.stream(**ASKED) as stream:
            return whole, await stream.get_final_response()

    whole, streamed = openai_in_warp(talk, speak=long_winded)
    assert whole.status == streamed.status == "completed"
    assert len(whole.output_text) == len(streamed.output_text) == 800
    assert whole.usage.input_tokens == streamed.usage.input_tokens + 3
    assert whole.usage.input_tokens_details.cached_tokens == 0


def test_the_text_comes_at_its_planned_instants_and_events_are_numbered() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[list[Any], Any]:
        seen = [(served.loop.time(), event) async for event in await sdk.responses.create(**ASKED, stream=True)]
        assert isinstance(served.emulator, Recorder)
        return seen, served.emulator.answers[0]

    seen, answer = openai_in_warp(talk, speak=long_winded)
    assert [event.sequence_number for _, event in seen] == list(range(len(seen)))
    deltas = [at_s for at_s, event in seen if event.type == "response.output_text.delta"]
    assert (deltas[0], deltas[-1]) == (answer.first_us / 1e6, answer.end_us / 1e6)
    assert (seen[0][1].type, seen[-1][1].type) == ("response.created", "response.completed")


def test_an_agent_calls_a_function_and_answers_with_its_output() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> tuple[Any, Any]:
        items: list[Any] = [{"role": "user", "content": "Is it warm?"}]
        turn = await sdk.responses.create(model="test-model", input=items, tools=[TOOL])
        items += [item.model_dump(exclude_none=True) for item in turn.output]
        calls = [item for item in turn.output if item.type == "function_call"]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"} for call in calls]
        return calls, await sdk.responses.create(model="test-model", input=items, tools=[TOOL])

    calls, final = openai_in_warp(talk, speak=SPEAKER)
    assert calls[0].name == "get_weather"
    assert [item.type for item in final.output] == ["message"]


def test_streamed_calls_accumulate_to_the_whole_ones() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> Any:
        async with sdk.responses.stream(**ASKED, tools=[TOOL], tool_choice="required") as stream:
            return await stream.get_final_response()

    calls = [item for item in openai_in_warp(talk, speak=SPEAKER).output if item.type == "function_call"]
    assert calls
    assert all(call.arguments.startswith('{"city":') for call in calls)


def test_kept_state_is_refused_in_one_clear_line() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> openai.BadRequestError:
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.responses.create(**ASKED, previous_response_id="resp_1")
        return caught.value

    raised = openai_in_warp(talk)
    assert raised.param == "previous_response_id"
    assert "keeps no state" in raised.message


def test_a_stream_that_fails_midway_ends_with_an_error_event() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> list[Any]:
        served.runs.default.faults = read_rules({"kind": "error_event"})
        return [event async for event in await sdk.responses.create(**ASKED, stream=True)]

    events = openai_in_warp(talk, speak=long_winded)
    assert (events[-1].type, events[-1].message) == ("error", "Overloaded")


def test_a_planned_refusal_is_raised_by_the_sdk() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> openai.RateLimitError:
        served.runs.default.faults = read_rules({"kind": "rate_limit"})
        with pytest.raises(openai.RateLimitError) as caught:
            await sdk.responses.create(**ASKED)
        return caught.value

    assert openai_in_warp(talk).code == "rate_limit_exceeded"
