"""A prompt's way through the server, faults above all: the SDK sees each as it would the real API's."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anthropic
import httpx2
import pytest
from server_for_tests import MODEL, Recorder, Served, in_real_time, in_warp

from mockllm.core.faults import read_rules
from mockllm.core.identity import CALL_HEADER
from mockllm.core.reply import Script

HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": "Is it late?"}]}


def long_winded(_: object) -> Script:
    return Script(200)


def failing(served: Served, kind: str, **fields: object) -> None:
    served.runs.default.faults = read_rules({"kind": kind, **fields})


async def streamed(served: Served) -> Any:
    async with served.stream() as stream:
        return await stream.get_final_message()


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("rate_limit", anthropic.RateLimitError, 429),
        ("server_error", anthropic.InternalServerError, 500),
        ("timeout", anthropic.APIStatusError, 504),
        ("overloaded", anthropic.APIStatusError, 529),
    ],
)
def test_a_refusal_is_raised_by_the_sdk_as_the_api_s(
    kind: str, error: type[anthropic.APIStatusError], status: int, streaming: bool
) -> None:
    async def talk(served: Served) -> anthropic.APIStatusError:
        failing(served, kind, retry_after_s=7)
        with pytest.raises(error) as caught:
            await (streamed(served) if streaming else served.create())
        return caught.value

    raised = in_warp(talk)
    assert raised.status_code == status
    assert isinstance(raised.body, dict)
    assert raised.body["type"] == "error"
    assert raised.request_id == raised.body["request_id"]
    assert raised.response.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "timeout", "overloaded"])
def test_the_sdk_retries_what_the_api_says_can_be_retried(kind: str) -> None:
    async def talk(served: Served) -> tuple[Any, list[tuple[int | None, int]], float]:
        failing(served, kind, call="main/turn-1", attempts=[0, 1], retry_after_s=30)
        sdk = served.sdk.with_options(max_retries=2)
        message = await sdk.messages.create(**ASKED, extra_headers={CALL_HEADER: "main/turn-1"})
        log = [(entry.identity.attempt if entry.identity else None, entry.status) for entry in served.runs.default.log]
        return message, log, served.loop.time()

    message, log, took_s = in_warp(talk)
    status = {"rate_limit": 429, "server_error": 500, "timeout": 504, "overloaded": 529}[kind]
    assert message.usage.output_tokens == 20
    assert log == [(0, status), (1, status), (2, 200)]
    assert (took_s > 60) == (kind == "rate_limit")


def test_a_refusal_touches_no_cache_and_takes_as_long_as_its_rule_says() -> None:
    async def talk(served: Served) -> tuple[float, list[int]]:
        system = [{"type": "text", "text": "a" * 8000, "cache_control": {"type": "ephemeral"}}]
        failing(served, "timeout", wait_s=600)
        with pytest.raises(anthropic.APIStatusError):
            await served.create(system=system)
        refused_s = served.loop.time()
        served.runs.default.faults = ()
        return refused_s, [(await served.create(system=system)).usage.cache_read_input_tokens for _ in range(2)]

    assert in_warp(talk) == (600.0, [0, 2000])


def test_a_stream_that_fails_midway_is_a_status_error_of_a_good_status() -> None:
    async def talk(served: Served) -> anthropic.APIStatusError:
        failing(served, "error_event")
        with pytest.raises(anthropic.APIStatusError) as caught:
            await streamed(served)
        return caught.value

    raised = in_warp(talk, speak=long_winded)
    assert raised.status_code == 200
    assert raised.body == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def test_a_cut_stream_is_a_protocol_error_and_not_retried() -> None:
    async def talk(served: Served) -> int:
        failing(served, "cut")
        sdk = served.sdk.with_options(max_retries=2)
        with pytest.raises(httpx2.RemoteProtocolError):
            async with sdk.messages.stream(**ASKED) as stream:
                await stream.get_final_message()
        return served.runs.default.log.total

    assert in_warp(talk, speak=long_winded) == 1


def test_a_truncated_stream_ends_without_an_error_and_without_a_reason() -> None:
    async def talk(served: Served) -> tuple[Any, Any]:
        whole = await streamed(served)
        failing(served, "truncated")
        return whole, await streamed(served)

    whole, cut = in_warp(talk, speak=long_winded)
    assert whole.stop_reason == "end_turn"
    assert cut.stop_reason is None
    assert 0 < len(cut.content[0].text) < len(whole.content[0].text)


def test_a_malformed_event_cannot_be_read() -> None:
    async def talk(served: Served) -> None:
        failing(served, "malformed")
        with pytest.raises(ValueError, match=r"Unterminated|Expecting|EOF"):
            await streamed(served)

    in_warp(talk, speak=long_winded)


@pytest.mark.parametrize(("kind", "late_s"), [("stall", 30), ("slow_start", 10)])
def test_a_late_answer_is_whole_and_late(kind: str, late_s: int) -> None:
    async def talk(served: Served) -> tuple[float, Any, float]:
        failing(served, kind)
        message = await streamed(served)
        assert isinstance(served.emulator, Recorder)
        return served.loop.time(), message, served.emulator.answers[0].end_us / 1e6

    ended_s, message, planned_s = in_warp(talk, speak=long_winded)
    assert ended_s == pytest.approx(planned_s + late_s, abs=1e-6)
    assert message.usage.output_tokens == 200


def test_another_content_type_is_not_taken_for_a_message() -> None:
    async def talk(served: Served) -> tuple[Any, Any]:
        failing(served, "wrong_content_type")
        response = await served.http.post("/v1/messages", json={**ASKED, "stream": True}, headers=HEADERS)
        return await served.create(), response

    answer, response = in_warp(talk)
    assert isinstance(answer, str)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.text == answer


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("cut", httpx2.RemoteProtocolError), ("truncated", None), ("malformed", None), ("error_event", None)],
)
def test_an_answer_that_is_no_stream_is_halved(kind: str, outcome: type[Exception] | None) -> None:
    async def talk(served: Served) -> Any:
        failing(served, kind)
        return await served.http.post("/v1/messages", json=ASKED, headers=HEADERS)

    if outcome is not None:
        with pytest.raises(outcome):
            in_warp(talk)
        return
    response = in_warp(talk)
    if kind == "error_event":
        assert (response.status_code, response.json()["error"]["type"]) == (500, "api_error")
        return
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|EOF"):
        response.json()


def test_faults_at_a_rate_fall_on_the_same_calls_in_any_order() -> None:
    async def ask(served: Served, name: str) -> tuple[str, bool]:
        try:
            await served.create(extra_headers={CALL_HEADER: name})
        except anthropic.APIStatusError:
            return name, False
        return name, True

    def talk_in(order: list[int]) -> Any:
        async def talk(served: Served) -> dict[str, bool]:
            failing(served, "overloaded", rate=0.3)
            return dict(await asyncio.gather(*[ask(served, f"call-{n}") for n in order]))

        return talk

    first, second = in_warp(talk_in(list(range(40)))), in_warp(talk_in(list(reversed(range(40)))))
    assert first == second
    assert 4 < sum(not passed for passed in first.values()) < 20


def test_the_log_tells_each_fate() -> None:
    async def talk(served: Served) -> list[tuple[int, str | None, str | None]]:
        await served.create()
        leaving = asyncio.create_task(served.create())
        await asyncio.sleep(0.1)
        leaving.cancel()
        await asyncio.wait([leaving])
        await asyncio.sleep(0.1)
        await served.http.post("/v1/messages", json={**ASKED, "max_tokens": "many"}, headers=HEADERS)
        failing(served, "stall", wait_s=1)
        await streamed(served)
        return [(entry.status, entry.fault, entry.error) for entry in served.runs.default.log]

    fates = in_warp(talk)
    assert fates[0] == (200, None, None)
    assert fates[1] == (499, None, "the client went away")
    assert fates[2][0] == 400
    assert str(fates[2][2]).startswith("max_tokens: ")
    assert fates[3] == (200, "stall", None)


def test_reversing_the_order_of_32_requests_changes_no_plan_and_no_content() -> None:
    async def ask(served: Served, number: int) -> Any:
        fields = {"messages": [{"role": "user", "content": f"Question {number}: is it late?"}]}
        if number % 2:
            return await served.create(**fields)
        async with served.stream(**fields) as stream:
            return await stream.get_final_message()

    def talk_in(order: list[int]) -> Any:
        async def talk(served: Served) -> tuple[dict[int, Any], list[Any]]:
            messages = await asyncio.gather(*[ask(served, number) for number in order])
            assert isinstance(served.emulator, Recorder)
            return dict(zip(order, messages, strict=True)), sorted(served.emulator.answers)

        return talk

    forth, back = in_warp(talk_in(list(range(32)))), in_warp(talk_in(list(reversed(range(32)))))
    assert forth == back
    assert len(forth[1]) == 32


def test_on_a_real_clock_too_each_meets_what_was_registered_for_it() -> None:
    expected = [
        {"call": "error", "error": {"status": 529, "message": "too many"}},
        {"call": "fault", "fault": {"kind": "server_error"}},
        {"call": "reply", "reply": {"text": "as told", "stop_reason": "max_tokens"}},
        {"call": "cut", "fault": {"kind": "cut"}},
    ]

    async def talk(served: Served) -> list[Any]:
        assert (await served.http.post("/_mock/expect", json=expected)).status_code == 200
        await served.create()  # whose connection is new
        for name in ("error", "fault"):
            with pytest.raises(anthropic.APIStatusError) as caught:
                await served.create(extra_headers={CALL_HEADER: name})
            told.append((name, caught.value.status_code))
        answers = await asyncio.gather(
            *[served.create(extra_headers={CALL_HEADER: name}) for name in ("reply", "own", "other")]
        )
        told.extend((one.content[0].text[:7], one.stop_reason) for one in answers)
        with pytest.raises(anthropic.APIConnectionError):
            await served.create(extra_headers={CALL_HEADER: "cut"})
        left = (await served.http.get("/_mock/expect")).json()["remaining"]
        limits = {name for name in (await served.http.post("/v1/messages", json={})).headers if "ratelimit" in name}
        return [left, limits]

    told: list[Any] = []
    assert in_real_time(talk) == [[], set()]
    assert told == [
        ("error", 529), ("fault", 500), ("as told", "max_tokens"), ("[own:0 ", "end_turn"), ("[other:", "end_turn"),
    ]  # fmt: skip


def test_a_refused_body_is_forgotten_with_its_refusal() -> None:
    def kept() -> int:
        return sum([type(one).__name__ == "_Prompt" for one in gc.get_objects()])

    async def talk(served: Served) -> int:
        for _ in range(3):
            asked = [served.http.post("/v1/messages", content=b"{" + b" " * 100_000, headers=HEADERS) for _ in range(8)]
            for response in await asyncio.gather(*asked):
                assert response.status_code == 400
        for _ in range(20):  # turns of the loop: handlers end after their clients have heard from them
            await asyncio.sleep(0)
        return kept()

    gc.collect()
    gc.disable()
    try:
        assert in_real_time(talk) == 0
    finally:
        gc.enable()
