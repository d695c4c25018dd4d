"""Turns registered over HTTP, and the SDK that is answered with them."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from server_for_tests import MODEL, Recorder, Served, in_warp

from mockllm.core.identity import CALL_HEADER

WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
OSLO = {"name": "get_weather", "arguments": {"city": "Oslo"}}


async def expect(served: Served, plain: Any, prefix: str = "") -> Any:
    response = await served.http.post(f"{prefix}/_mock/expect", json=plain)
    assert response.status_code == 200, response.text
    return response.json()["registered"]


async def remaining(served: Served) -> list[Any]:
    return (await served.http.get("/_mock/expect")).json()["remaining"]


def named(path: str) -> dict[str, str]:
    return {CALL_HEADER: path}


def test_what_was_registered_is_said_in_order_and_then_the_mock_speaks_for_itself() -> None:
    async def talk(served: Served) -> list[str]:
        await expect(served, [{"reply": "one"}, {"reply": "two"}])
        return [(await served.create()).content[0].text for _ in range(3)]

    one, two, own = in_warp(talk)
    assert (one, two) == ("one", "two")
    assert len(own) == 80


@pytest.mark.parametrize("streaming", [False, True])
def test_a_tool_round_trip_is_scripted_by_what_the_requests_bring(streaming: bool) -> None:
    async def talk(served: Served) -> tuple[Any, Any, list[Any]]:
        await expect(
            served,
            [
                {"match": {"last_user": "weather", "has_tool_results": True}, "reply": "It rains."},
                {"match": {"last_user": "weather", "tool": "get_weather"}, "reply": {"tool_calls": [OSLO]}},
            ],
        )
        messages: list[Any] = [{"role": "user", "content": "How is the weather?"}]

        async def ask() -> Any:
            if not streaming:
                return await served.create(messages=messages, tools=[WEATHER])
            async with served.stream(messages=messages, tools=[WEATHER]) as stream:
                return await stream.get_final_message()

        first = await ask()
        (use,) = [block for block in first.content if block.type == "tool_use"]
        messages += [
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": use.id, "name": use.name, "input": use.input}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "rain"}]},
        ]
        return use, await ask(), await remaining(served)

    use, answer, left = in_warp(talk)
    assert (use.name, use.input) == ("get_weather", {"city": "Oslo"})
    assert answer.content[0].text == "It rains."
    assert left == []


def test_requests_of_one_instant_take_their_turns_in_the_order_of_their_names() -> None:
    async def talk(served: Served) -> dict[str, str]:
        await expect(served, [{"reply": word} for word in ("one", "two", "three")])
        names = ["c", "a", "b"]
        answers = await asyncio.gather(*[served.create(extra_headers=named(name)) for name in names])
        return {name: answer.content[0].text for name, answer in zip(names, answers, strict=True)}

    assert in_warp(talk) == {"a": "one", "b": "two", "c": "three"}


def test_a_call_path_is_answered_with_its_own_turn() -> None:
    async def talk(served: Served) -> list[str]:
        await expect(served, [{"reply": "next"}, {"call": "main/turn-1", "reply": "named"}])
        first = await served.create(extra_headers=named("main/turn-1"))
        return [first.content[0].text, (await served.create()).content[0].text]

    assert in_warp(talk) == ["named", "next"]


def test_an_error_comes_in_the_place_of_an_answer_and_the_retry_finds_what_is_left() -> None:
    async def talk(served: Served) -> tuple[Any, str, int]:
        await expect(served, [{"error": {"status": 429, "retry_after": 2}}, {"reply": "at last"}])
        with pytest.raises(anthropic.RateLimitError) as caught:
            await served.create()
        answer = await served.create()
        assert isinstance(served.emulator, Recorder)
        return caught.value, answer.content[0].text, len(served.emulator.answers)

    error, text, planned = in_warp(talk)
    assert error.response.headers["retry-after"] == "2"
    assert error.body["error"] == {
        "type": "rate_limit_error",
        "message": "This request would exceed your organization's rate limit",
    }
    assert (text, planned) == ("at last", 1)  # the refused request met no cache


def test_a_registered_fault_befalls_the_turn_it_stands_at_and_no_other() -> None:
    async def talk(served: Served) -> tuple[int, str, Any]:
        await expect(
            served,
            [{"fault": "overloaded"}, {"fault": {"kind": "cut", "after": 0.5}, "reply": "x" * 400}, {"reply": "z"}],
        )
        with pytest.raises(anthropic.APIStatusError) as caught:
            await served.create()
        broken = None
        try:
            async with served.stream() as stream:
                await stream.get_final_message()
        except Exception as error:
            broken = error
        return caught.value.status_code, type(broken).__name__, (await served.create()).content[0].text

    assert in_warp(talk) == (529, "RemoteProtocolError", "z")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_stop_reason_can_be_asked_for(streaming: bool) -> None:
    async def talk(served: Served) -> Any:
        await expect(served, {"reply": {"text": "I cannot.", "stop_reason": "refusal"}})
        if not streaming:
            return await served.create()
        async with served.stream() as stream:
            return await stream.get_final_message()

    message = in_warp(talk)
    assert (message.stop_reason, message.content[0].text) == ("refusal", "I cannot.")


def test_thinking_is_only_said_to_a_request_that_lets_the_model_think() -> None:
    async def talk(served: Served) -> list[Any]:
        calls = {"tool_calls": [OSLO], "thinking_tokens": 50}
        await expect(served, {"times": 2, "reply": calls})
        thinking = {"type": "adaptive"}
        return [await served.create(tools=[WEATHER], thinking=thinking), await served.create(tools=[WEATHER])]

    thought, plain = in_warp(talk)
    assert [block.type for block in thought.content] == ["thinking", "tool_use"]
    assert [block.type for block in plain.content] == ["tool_use"]
    assert thought.usage.output_tokens == plain.usage.output_tokens + 50


def test_what_remains_is_listed_and_can_be_cleared() -> None:
    async def talk(served: Served) -> None:
        shown = await expect(served, [{"reply": "one"}, {"match": {"model": "other"}, "reply": "never"}])
        assert [one["number"] for one in shown] == [0, 1]
        await served.create()
        assert await remaining(served) == shown[1:]
        cleared = await served.http.delete("/_mock/expect")
        assert cleared.json() == {"cleared": 1}
        assert await remaining(served) == []

    in_warp(talk)


def test_a_registration_that_cannot_be_read_is_refused_in_one_line() -> None:
    async def talk(served: Served) -> None:
        for sent, line in (
            (b'{"reply": 5}', "reply: "),
            (b'[{"reply": "x"}, {"replies": "x"}]', "1.replies: there is no such field"),
            (b"{", "/_mock/expect: the body is no JSON"),
        ):
            response = await served.http.post("/_mock/expect", content=sent)
            assert response.status_code == 400
            assert response.json()["error"].startswith(line)
        assert await remaining(served) == []

    in_warp(talk)


def test_a_refused_request_takes_nobody_s_turn() -> None:
    async def talk(served: Served) -> str:
        await expect(served, {"reply": "kept"})
        with pytest.raises(anthropic.BadRequestError):
            await served.create(messages=[])
        with pytest.raises(anthropic.NotFoundError):
            await served.create(model=MODEL + "-not")
        return (await served.create()).content[0].text

    assert in_warp(talk) == "kept"
