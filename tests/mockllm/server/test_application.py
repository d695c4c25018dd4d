from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import pytest
from profiles_for_tests import make_profile
from server_for_tests import MODEL, Recorder, Served, in_warp, letters
from worlds_for_tests import TIED

from mockllm.core.connections import SetupCost
from mockllm.core.identity import CALL_HEADER
from mockllm.core.reply import Script
from mockllm.core.request import Request

HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
CACHED = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": "Is it late?"}], **fields}


def user(text: str, marker: dict[str, str] | None = None) -> dict[str, Any]:
    block = {"type": "text", "text": text, **({"cache_control": marker} if marker else {})}
    return {"role": "user", "content": [block]}


def parts(usage: Any) -> tuple[int, int, int, int]:
    """Input, read, written for five minutes, written for an hour."""
    written = usage.cache_creation
    return (
        usage.input_tokens,
        usage.cache_read_input_tokens,
        written.ephemeral_5m_input_tokens,
        written.ephemeral_1h_input_tokens,
    )


def speak_of_weather(request: Request) -> Script:
    if request.tools and not request.answers_tools:
        return Script(60, [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Bergen"})])
    return Script(30, text="Both are wet.")


def test_a_message_is_answered_when_its_last_token_is_due() -> None:
    async def talk(served: Served) -> tuple[Any, int]:
        return await served.create(), served.loop.now_us()

    message, now_us = in_warp(talk)
    assert message.role == "assistant"
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 20
    assert len(message.content[0].text) == 80
    assert now_us > 500_000


def test_the_answer_comes_at_the_planned_end_and_not_a_microsecond_off() -> None:
    async def talk(served: Served) -> tuple[int, int]:
        await asyncio.sleep(0.25)
        await served.create()
        assert isinstance(served.emulator, Recorder)
        return served.loop.now_us(), served.emulator.answers[0].end_us

    arrived, planned = in_warp(talk)
    assert arrived == planned


def test_every_event_of_a_stream_arrives_at_its_planned_instant() -> None:
    async def talk(served: Served) -> tuple[list[int], list[int], str]:
        await asyncio.sleep(0.125)
        arrivals: list[int] = []
        async with served.stream(max_tokens=4000) as stream:
            async for text in stream.text_stream:
                assert text
                arrivals.append(served.loop.now_us())
            message = await stream.get_final_message()
        assert isinstance(served.emulator, Recorder)
        (answer,) = served.emulator.answers
        planned = [answer.admitted_us + flush.at_us for flush in served.emulator.flushes(answer)]
        assert arrivals[0] == answer.first_us
        assert served.loop.now_us() == answer.end_us
        return arrivals, planned, message.content[0].text

    arrivals, planned, text = in_warp(talk, speak=lambda _: Script(400))
    assert arrivals == planned
    assert len(planned) > 20
    assert len(text) == 1600


def test_the_first_thing_that_a_stream_sends_is_its_first_token() -> None:
    async def talk(served: Served) -> tuple[int, int]:
        async with served.http.stream("POST", "/v1/messages", json=body(stream=True), headers=HEADERS) as response:
            headers_us = served.loop.now_us()
            await response.aread()
        assert isinstance(served.emulator, Recorder)
        return headers_us, served.emulator.answers[0].first_us

    headers_us, first_us = in_warp(talk)
    assert headers_us == first_us


def test_a_stream_is_sent_as_the_api_frames_it() -> None:
    async def talk(served: Served) -> Any:
        return await served.http.post("/v1/messages", json=body(stream=True), headers=HEADERS)

    response = in_warp(talk)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["transfer-encoding"] == "chunked"
    events = response.text.removesuffix("\n\n").split("\n\n")
    names = []
    for event in events:
        name, data = event.split("\n")
        assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"
        names.append(name.removeprefix("event: "))
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert set(names[3:-3]) == {"content_block_delta"}
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_streamed_and_plain_answers_to_one_call_are_the_same_message() -> None:
    async def plain(served: Served) -> Any:
        return await served.create(extra_headers={CALL_HEADER: "main/turn-1"}, tools=[WEATHER])

    async def streamed(served: Served) -> Any:
        async with served.stream(extra_headers={CALL_HEADER: "main/turn-1"}, tools=[WEATHER]) as stream:
            return await stream.get_final_message()

    first, second = in_warp(plain, speak=speak_of_weather), in_warp(streamed, speak=speak_of_weather)
    kept = {"id", "model", "role", "stop_reason", "usage"}
    assert first.model_dump(include=kept) == second.model_dump(include=kept)
    assert [block.type for block in first.content] == ["text", "tool_use", "tool_use"]
    for one, other in zip(first.content, second.content, strict=True):
        assert one.model_dump() == {name: other.model_dump()[name] for name in one.model_dump()}


@pytest.mark.parametrize("streaming", [False, True])
def test_a_tool_round_trip_ends_in_text(streaming: bool) -> None:
    async def talk(served: Served) -> Any:
        messages: list[Any] = [{"role": "user", "content": "How is the weather?"}]
        for _ in range(4):
            if streaming:
                async with served.stream(messages=messages, tools=[WEATHER]) as stream:
                    message = await stream.get_final_message()
            else:
                message = await served.create(messages=messages, tools=[WEATHER])
            calls = [block for block in message.content if block.type == "tool_use"]
            if not calls:
                return len(messages), message
            assert message.stop_reason == "tool_use"
            assert [call.input for call in calls] == [{"city": "Oslo"}, {"city": "Bergen"}]
            messages.append({"role": "assistant", "content": message.content})
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"} for call in calls]
            messages.append({"role": "user", "content": results})
        raise AssertionError("the conversation did not end")

    rounds, message = in_warp(talk, speak=speak_of_weather)
    assert rounds == 3
    assert message.content[0].text == "Both are wet."
    assert message.stop_reason == "end_turn"


def test_an_explicit_marker_writes_first_and_is_read_when_the_next_turn_comes() -> None:
    async def talk(served: Served) -> list[tuple[int, int, int, int]]:
        system = [{"type": "text", "text": letters(2000), "cache_control": CACHED}]
        return [parts((await served.create(system=system, messages=[user(letters(9))])).usage) for _ in range(2)]

    assert in_warp(talk) == [(9, 0, 2000, 0), (9, 2000, 0, 0)]


def test_a_stream_reports_the_same_cache_use_at_its_start_and_its_end() -> None:
    async def talk(served: Served) -> list[dict[str, Any]]:
        fields = body(stream=True, system=[{"type": "text", "text": letters(2000), "cache_control": HOUR}])
        response = await served.http.post("/v1/messages", json=fields, headers=HEADERS)
        return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]

    events = in_warp(talk)
    start = events[0]["message"]["usage"]
    end = next(event for event in events if event["type"] == "message_delta")["usage"]
    assert start["output_tokens"] == 1
    assert end["output_tokens"] == 20
    assert start["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2000}
    for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
        assert start[name] == end[name]


def test_automatic_caching_reads_each_turn_what_the_turn_before_wrote() -> None:
    async def talk(served: Served) -> list[tuple[int, int, int, int]]:
        seen, messages = [], []
        for turn in range(3):
            messages.append({"role": "user", "content": letters(1500, "xyz"[turn])})
            message = await served.create(messages=messages, cache_control=CACHED)
            seen.append(parts(message.usage))
            messages.append({"role": "assistant", "content": message.content})
        return seen

    # The answer of the turn before (20 tokens) is written together with the new question.
    assert in_warp(talk) == [(0, 0, 1500, 0), (0, 1500, 1520, 0), (0, 3020, 1520, 0)]


def test_a_moving_marker_keeps_its_hits_and_strings_equal_lists() -> None:
    async def talk(served: Served) -> list[tuple[int, int, int, int]]:
        first, second = letters(2000, "q"), letters(100, "r")
        one = await served.create(
            system=[{"type": "text", "text": "Be brief.", "cache_control": CACHED}], messages=[user(first, CACHED)]
        )
        two = await served.create(
            system="Be brief.",
            messages=[{"role": "user", "content": first}, user(second, CACHED)],
        )
        return [parts(one.usage), parts(two.usage)]

    assert in_warp(talk) == [(0, 0, 2003, 0), (0, 2003, 100, 0)]


def test_one_hour_and_five_minutes_are_written_apart_and_outlive_each_other() -> None:
    async def talk(served: Served) -> list[tuple[int, int, int, int]]:
        fields = {
            "system": [{"type": "text", "text": letters(2000), "cache_control": HOUR}],
            "messages": [user(letters(500), CACHED)],
        }
        seen = [parts((await served.create(**fields)).usage)]
        for wait_s in (200, 400, 4000):
            await asyncio.sleep(wait_s)
            seen.append(parts((await served.create(**fields)).usage))
        return seen

    assert in_warp(talk) == [(0, 0, 500, 2000), (0, 2500, 0, 0), (0, 2000, 500, 0), (0, 0, 500, 2000)]


def test_a_prefix_below_the_minimum_is_silently_not_cached() -> None:
    async def talk(served: Served) -> list[tuple[int, int, int, int]]:
        return [
            parts((await served.create(messages=[user(letters(tokens), CACHED)])).usage)
            for tokens in (1023, 1023, 1024, 1024)
        ]

    assert in_warp(talk) == [(1023, 0, 0, 0), (1023, 0, 0, 0), (0, 0, 1024, 0), (0, 1024, 0, 0)]


@pytest.mark.parametrize(("between", "read"), [(19, 2000), (20, 0)])
def test_a_marker_looks_back_twenty_blocks_and_no_further(between: int, read: int) -> None:
    async def talk(served: Served) -> int:
        await served.create(messages=[user(letters(2000), CACHED)])
        blocks = [{"type": "text", "text": f"block {number}"} for number in range(between)]
        blocks[-1] = {**blocks[-1], "cache_control": CACHED}  # type: ignore[dict-item]  # plain JSON
        message = await served.create(messages=[user(letters(2000)), {"role": "user", "content": blocks}])
        return int(message.usage.cache_read_input_tokens)

    assert in_warp(talk) == read


def test_identical_calls_at_once_all_miss_and_one_after_the_first_byte_hits() -> None:
    async def talk(served: Served) -> list[tuple[int, int, int, int]]:
        async def ask(name: str, at_us: int, letter: str) -> tuple[int, int, int, int]:
            await served.loop.sleep_until(at_us)
            fields = {"messages": [user(letters(3000, letter), CACHED)], "extra_headers": {CALL_HEADER: name}}
            return parts((await served.create(**fields)).usage)

        twins = await asyncio.gather(ask("a", 0, "x"), ask("b", 0, "x"))
        assert isinstance(served.emulator, Recorder)
        first_byte = served.emulator.answers[0].timeline.first_us  # without luck, what is as long takes as long
        start = served.loop.now_us()
        later = await asyncio.gather(
            ask("a", start, "y"), ask("c", start + first_byte - 1, "y"), ask("d", start + first_byte, "y")
        )
        return [*twins, *later]

    missed, hit = (0, 0, 3000, 0), (0, 3000, 0, 0)
    assert in_warp(talk, profile=make_profile(**TIED)) == [missed, missed, missed, missed, hit]


def test_another_key_shares_no_cache_and_the_same_key_in_either_header_does() -> None:
    async def talk(served: Served) -> list[int]:
        fields = body(messages=[user(letters(2000), CACHED)])
        version = {"anthropic-version": "2026-10-21"}
        reads = []
        for credential in (
            {"x-api-key": "one"},
            {"authorization": "Bearer two"},
            {"authorization": "Bearer one"},
            {"x-api-key": "two", "anthropic-workspace-id": "team"},
            {"x-api-key": "three", "anthropic-workspace-id": "team"},
        ):
            response = await served.http.post("/v1/messages", json=fields, headers={**version, **credential})
            reads.append(response.json()["usage"]["cache_read_input_tokens"])
        return reads

    assert in_warp(talk) == [0, 0, 2000, 0, 2000]


def test_thinking_is_accepted_and_what_the_client_returns_of_it_is_no_cache_block() -> None:
    async def talk(served: Served) -> Any:
        thought = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
        messages = [
            user(letters(2000)),
            {"role": "assistant", "content": [{"type": "text", "text": "Yes."}, thought]},
        ]
        fields = {"thinking": {"type": "adaptive"}, "cache_control": CACHED, "messages": messages}
        return await served.create(**fields), await served.create(**fields)

    first, second = in_warp(talk)
    assert [block.type for block in first.content] == ["text"]
    assert parts(first.usage) == (1, 0, 2001, 0)
    assert parts(second.usage) == (1, 2001, 0, 0)


def test_filling_the_cache_ahead_says_nothing_and_is_read_later() -> None:
    async def talk(served: Served) -> Any:
        fields = {"system": [{"type": "text", "text": letters(2000), "cache_control": CACHED}]}
        return await served.create(max_tokens=0, **fields), await served.create(**fields)

    filling, reading = in_warp(talk)
    assert (filling.content, filling.stop_reason, filling.usage.output_tokens) == ([], "max_tokens", 0)
    assert filling.usage.cache_creation_input_tokens == 2000
    assert reading.usage.cache_read_input_tokens == 2000


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"messages": []}, anthropic.BadRequestError, "messages: at least one message is required"),
        ({"model": "claude-nobody"}, anthropic.NotFoundError, "model: claude-nobody"),
        (
            {"messages": [{"role": "user", "content": letters(1_000_001)}]},
            anthropic.BadRequestError,
            "prompt is too long: 1000001 tokens > 1000000 maximum",
        ),
        (
            {"max_tokens": 64_001, "timeout": 10},
            anthropic.BadRequestError,
            "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for test-model",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": CACHED}] * 5}]},
            anthropic.BadRequestError,
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
    ],
)
def test_the_sdk_raises_the_class_of_each_error(
    fields: Any, error: type[anthropic.APIStatusError], message: str
) -> None:
    async def talk(served: Served) -> anthropic.APIStatusError:
        with pytest.raises(error) as caught:
            await served.create(**fields)
        return caught.value

    raised = in_warp(talk)
    assert raised.api_message == message
    assert isinstance(raised.body, dict)
    assert raised.body["request_id"] == raised.request_id
    assert raised.type == {400: "invalid_request_error", 404: "not_found_error"}[raised.status_code]


def test_a_stream_that_is_refused_is_refused_in_plain_json() -> None:
    async def talk(served: Served) -> Any:
        with pytest.raises(anthropic.NotFoundError) as caught:
            async with served.stream(model="claude-nobody"):
                pass
        return caught.value.response

    assert in_warp(talk).headers["content-type"].startswith("application/json")


def test_no_credential_at_all_is_401_and_a_missing_version_400() -> None:
    async def talk(served: Served) -> list[tuple[int, str]]:
        answers = [
            await served.http.post("/v1/messages", json=body(), headers=headers)
            for headers in ({"anthropic-version": "2023-06-01"}, {"x-api-key": "key"}, {})
        ]
        return [(answer.status_code, answer.json()["error"]["type"]) for answer in answers]

    assert in_warp(talk) == [
        (401, "authentication_error"),
        (400, "invalid_request_error"),
        (401, "authentication_error"),
    ]


def test_a_body_above_32_mb_is_413() -> None:
    async def talk(served: Served) -> Any:
        return await served.http.post("/v1/messages", content=b" " * (32 * 1024 * 1024 + 1), headers=HEADERS)

    response = in_warp(talk)
    assert response.status_code == 413
    assert response.json()["error"]["type"] == "request_too_large"
    assert response.json()["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [("GET", "/v1/nothing", 404, "not_found_error"), ("GET", "/v1/messages", 405, "invalid_request_error")],
)
def test_what_is_no_endpoint_is_refused_in_the_api_s_shape(method: str, path: str, status: int, kind: str) -> None:
    async def talk(served: Served) -> Any:
        return await served.http.request(method, path)

    response = in_warp(talk)
    assert response.status_code == status
    assert response.json()["error"]["type"] == kind


def test_a_failure_of_the_mock_itself_is_an_api_error(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Request) -> Script:
        raise RuntimeError("no words")

    async def talk(served: Served) -> anthropic.APIStatusError:
        with pytest.raises(anthropic.InternalServerError) as caught:
            await served.create()
        return caught.value

    assert in_warp(talk, speak=fail).type == "api_error"
    assert "no words" in caplog.text


def test_ids_are_unique_to_a_response_and_the_same_in_another_run() -> None:
    async def talk(served: Served) -> list[str]:
        raws = [await served.sdk.messages.with_raw_response.create(**body()) for _ in range(3)]  # type: ignore[arg-type]  # plain JSON
        ids = [raw.headers["request-id"] for raw in raws]
        ids += [(await raw.parse()).id for raw in raws]
        for _ in range(2):
            ids.append((await served.http.post("/v1/messages", json={}, headers=HEADERS)).headers["request-id"])
            ids.append((await served.http.get("/health")).headers["request-id"])
        assert {raw.headers["anthropic-organization-id"] for raw in raws} == {"6d6f636b-6c6c-4d0e-8b1a-9f3c57e2d846"}
        return ids

    first, second = in_warp(talk), in_warp(talk)
    assert len(set(first)) == len(first) == 10
    assert first == second


def test_counting_tokens_counts_the_whole_prompt_and_takes_no_time() -> None:
    async def talk(served: Served) -> tuple[int, int]:
        counted = await served.sdk.messages.count_tokens(
            model=MODEL, system=letters(30), messages=[{"role": "user", "content": letters(12)}]
        )
        return counted.input_tokens, served.loop.now_us()

    assert in_warp(talk) == (42, 0)


def test_the_model_list_holds_the_profile_s_model() -> None:
    async def talk(served: Served) -> Any:
        listed = [model async for model in served.sdk.models.list()]
        with pytest.raises(anthropic.NotFoundError):
            await served.sdk.models.retrieve("claude-nobody")
        return listed, await served.sdk.models.retrieve(MODEL)

    listed, one = in_warp(talk)
    assert listed == [one]
    assert (one.id, one.max_tokens, one.max_input_tokens) == (MODEL, 64_000, 1_000_000)


def test_clients_that_knock_first_are_let_in() -> None:
    async def talk(served: Served) -> list[int]:
        return [
            (await served.http.request(method, path)).status_code
            for method, path in (("HEAD", "/"), ("HEAD", "/api/hello"), ("GET", "/api/hello"), ("GET", "/health"))
        ]

    assert in_warp(talk) == [200] * 4


def test_a_client_that_vanishes_ends_its_stream_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(served: Served) -> Any:
        async with served.stream() as stream:
            async for _ in stream.text_stream:
                break
        leaving = asyncio.create_task(served.create())
        await asyncio.sleep(0.1)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        message = await served.create()
        await asyncio.sleep(60)
        return message

    assert in_warp(talk, speak=lambda _: Script(500)).usage.output_tokens == 500
    assert not caplog.records


def test_nobody_goes_on_preparing_an_answer_whose_client_is_gone() -> None:
    def serving() -> int:
        return sum("RequestHandler" in repr(task) for task in asyncio.all_tasks())

    async def talk(served: Served) -> tuple[int, int]:
        leaving = asyncio.create_task(served.create())
        await asyncio.sleep(0.1)
        before = serving()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await asyncio.sleep(0.1)
        return before, serving()

    before, after = in_warp(talk)
    assert before > 0
    assert after == 0


def test_calls_with_a_path_keep_their_luck_whatever_else_is_asked() -> None:
    async def talk(served: Served) -> Any:
        return await asyncio.gather(
            *[served.create(extra_headers={CALL_HEADER: f"main/{name}"}) for name in ("a", "b", "c")]
        )

    async def reversed_talk(served: Served) -> Any:
        await served.create()
        answers = await asyncio.gather(
            *[served.create(extra_headers={CALL_HEADER: f"main/{name}"}) for name in ("c", "b", "a")]
        )
        return answers[::-1]

    assert in_warp(talk) == in_warp(reversed_talk)


def test_only_the_first_request_of_a_connection_waits_for_its_set_up() -> None:
    async def talk(served: Served) -> tuple[list[int], int]:
        waits = []
        for name in ("a", "b"):
            sent = served.loop.now_us()
            await served.create(extra_headers={CALL_HEADER: name})
            assert isinstance(served.emulator, Recorder)
            waits.append(served.emulator.answers[-1].admitted_us - sent)
        first = served.emulator.answers[0].identity
        return waits, SetupCost(served.emulator.profile.connection).draw_us(served.emulator.draws, first)

    waits, drawn = in_warp(talk, connection_setup=True, profile=make_profile())
    assert drawn > 0
    assert waits == [drawn, 0]
    assert in_warp(talk, connection_setup=False)[0] == [0, 0]


def test_a_client_is_told_why_its_prompt_missed_the_cache() -> None:
    async def talk(served: Served) -> list[Any]:
        reasons: list[Any] = []
        system, changed = (
            [{"type": "text", "text": letters(2000, letter), "cache_control": CACHED}] for letter in "xy"
        )
        first = await served.create(system=system)
        assert first.diagnostics is None
        previous = None
        for prompt in (system, system, changed, changed):
            message = await served.create(system=prompt, diagnostics={"previous_message_id": previous})
            previous = message.id
            reasons.append(message.diagnostics and message.diagnostics.to_dict()["cache_miss_reason"])
        async with served.stream(system=system, diagnostics={"previous_message_id": "msg_none"}) as stream:
            reasons.append((await stream.get_final_message()).diagnostics.to_dict()["cache_miss_reason"])
        return reasons

    assert in_warp(talk) == [
        None,
        None,
        {"type": "system_changed", "cache_missed_input_tokens": 2000},
        None,
        {"type": "previous_message_not_found"},
    ]


def test_thinking_is_streamed_by_the_sdk_and_handed_back_with_its_signature() -> None:
    async def talk(served: Served) -> tuple[Any, Any, Any]:
        thinking = {"type": "adaptive"}
        async with served.stream(thinking=thinking) as stream:
            streamed = await stream.get_final_message()
        turns = [
            {"role": "user", "content": "Is it late?"},
            {"role": "assistant", "content": streamed.content},
            {"role": "user", "content": "And now?"},
        ]
        omitted = await served.create(thinking={"type": "adaptive", "display": "omitted"}, messages=turns)
        return streamed, omitted, await served.create()

    streamed, omitted, plain = in_warp(talk, speak=lambda _: Script(100, thinking_tokens=40))
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    assert len(streamed.content[0].thinking) == 160
    assert omitted.content[0].thinking == ""
    assert omitted.content[0].signature
    assert [block.type for block in plain.content] == ["text"]
    assert [m.usage.output_tokens_details.thinking_tokens for m in (streamed, omitted, plain)] == [40, 40, 0]
    assert streamed.usage.output_tokens == 100


def test_a_stop_sequence_ends_what_the_sdk_is_told() -> None:
    async def talk(served: Served) -> Any:
        return await served.create(stop_sequences=["END"])

    message = in_warp(talk, speak=lambda _: Script(50, text="This is all. END of it."))
    assert (message.content[0].text, message.stop_reason, message.stop_sequence) == (
        "This is all. ",
        "stop_sequence",
        "END",
    )


def test_models_are_told_to_those_with_a_credential() -> None:
    async def talk(served: Served) -> list[tuple[int, bool]]:
        told = []
        for headers in ({"anthropic-version": "2023-06-01"}, {}, HEADERS, {"authorization": "Bearer key"}):
            for path in ("/v1/models", f"/v1/models/{MODEL}"):
                answer = await served.http.get(path, headers=headers)
                told.append((answer.status_code, "type" in answer.json()))
        return told

    assert [status for status, _ in in_warp(talk)] == [401] * 4 + [200] * 4


def test_a_name_that_is_no_name_is_not_said_back_in_full() -> None:
    async def talk(served: Served) -> Any:
        return await served.http.post("/v1/messages", json=body(model="x" * 1_000_000), headers=HEADERS)

    response = in_warp(talk)
    assert response.status_code == 400
    assert len(response.content) < 5000
