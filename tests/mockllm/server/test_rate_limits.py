"""Rate limits as a client meets them: headers on every answer, 429 with the time to wait, and a retry that passes."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from server_for_tests import MODEL, Served, in_warp, letters

from mockllm.core.faults import read_rules
from mockllm.core.identity import CALL_HEADER
from mockllm.core.limits import Limits, RateLimits

ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": letters(100)}]}


def limited(served: Served, **limits: int) -> None:
    served.emulator.limits = RateLimits(Limits(**limits), epoch_s=1_700_000_000.0)


def test_every_answer_says_where_its_sender_stands() -> None:
    async def talk(served: Served) -> list[Any]:
        limited(served, requests=60, input_tokens=10_000)
        raw = [await served.sdk.messages.with_raw_response.create(**ASKED) for _ in range(2)]
        async with served.sdk.messages.with_streaming_response.create(**ASKED, stream=True) as streamed:
            raw.append(streamed)
        return [
            {name: value for name, value in answer.headers.items() if name.startswith("anthropic-ratelimit")}
            for answer in raw
        ]

    told = in_warp(talk)
    assert [headers["anthropic-ratelimit-requests-limit"] for headers in told] == ["60"] * 3
    # One a second comes back, and an answer takes a little less.
    assert [headers["anthropic-ratelimit-requests-remaining"] for headers in told] == ["59", "58", "58"]
    assert told[0]["anthropic-ratelimit-requests-reset"].startswith("2023-11-14T22:13:2")
    assert {len(headers) for headers in told} == {12}


def test_beyond_the_limit_the_sdk_is_refused_and_told_when_to_come_again() -> None:
    async def talk(served: Served) -> tuple[anthropic.RateLimitError, int]:
        limited(served, input_tokens=150)
        await served.create(messages=ASKED["messages"])
        with pytest.raises(anthropic.RateLimitError) as caught:
            await served.create(messages=ASKED["messages"])
        return caught.value, served.runs.default.log.total

    error, asked = in_warp(talk)
    assert asked == 2
    assert error.message.startswith("Error code: 429")
    assert "rate limit of 150 input tokens per minute" in str(error.body)
    # 50 are left of 150, and 2.5 come back in a second.
    assert int(error.response.headers["retry-after"]) == 20
    assert error.response.headers["anthropic-ratelimit-input-tokens-limit"] == "150"


def test_the_sdk_waits_as_long_as_it_is_told_and_then_passes() -> None:
    async def talk(served: Served) -> tuple[list[int], float]:
        limited(served, requests=2)
        sdk = served.sdk.with_options(max_retries=2)
        for _ in range(3):
            await sdk.messages.create(**ASKED)
        return [entry.status for entry in served.runs.default.log], served.loop.time()

    statuses, ended_s = in_warp(talk)
    assert statuses == [200, 200, 429, 200]
    assert ended_s > 28


def test_what_is_read_from_the_cache_does_not_count() -> None:
    async def talk(served: Served) -> list[int]:
        limited(served, input_tokens=2500)
        system = [{"type": "text", "text": letters(2000), "cache_control": {"type": "ephemeral"}}]
        return [(await served.create(system=system)).usage.cache_read_input_tokens for _ in range(4)]

    assert in_warp(talk) == [0, 2000, 2000, 2000]


def test_of_those_who_come_at_once_the_first_by_name_pass() -> None:
    async def ask(served: Served, name: str) -> tuple[str, bool]:
        try:
            await served.create(extra_headers={CALL_HEADER: name})
        except anthropic.RateLimitError:
            return name, False
        return name, True

    def talk_in(order: list[str]) -> Any:
        async def talk(served: Served) -> dict[str, bool]:
            limited(served, requests=3)
            return dict(await asyncio.gather(*[ask(served, name) for name in order]))

        return talk

    names = list("gbdafce")
    assert in_warp(talk_in(names)) == in_warp(talk_in(names[::-1])) == {name: name in "abc" for name in names}


def test_output_that_is_being_said_refuses_the_next_request_once_it_is_too_much() -> None:
    async def talk(served: Served) -> list[int]:
        limited(served, output_tokens=15)
        await served.create()
        for at_s in (0, 60):
            await asyncio.sleep(at_s)
            await served.http.post(
                "/v1/messages", json=ASKED, headers={"x-api-key": "key", "anthropic-version": "2023-06-01"}
            )
        return [entry.status for entry in served.runs.default.log]

    assert in_warp(talk) == [200, 429, 200]


def test_a_refusal_says_where_its_sender_stands_as_far_as_it_is_known_who_that_is() -> None:
    async def talk(served: Served) -> list[tuple[int, bool]]:
        limited(served, requests=60)
        key = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
        told = []
        for headers, body in (
            (key, {**ASKED, "max_tokens": "many"}),
            (key, {**ASKED, "model": "claude-nobody"}),
            ({"x-api-key": "key"}, ASKED),
            ({"anthropic-version": "2023-06-01"}, ASKED),
        ):
            answer = await served.http.post("/v1/messages", json=body, headers=headers)
            told.append((answer.status_code, "anthropic-ratelimit-requests-limit" in answer.headers))
        served.runs.default.faults = read_rules({"kind": "rate_limit"})
        answer = await served.http.post("/v1/messages", json=ASKED, headers=key)
        return [*told, (answer.status_code, answer.headers["anthropic-ratelimit-requests-remaining"] == "60")]

    assert in_warp(talk) == [(400, True), (404, True), (400, True), (401, False), (429, True)]


def test_what_a_warm_run_reads_at_once_does_not_count_either() -> None:
    async def talk(served: Served) -> int:
        limited(served, input_tokens=150)
        served.emulator.warm = True
        system = [{"type": "text", "text": letters(2000), "cache_control": {"type": "ephemeral"}}]
        return int((await served.create(system=system)).usage.cache_read_input_tokens)

    assert in_warp(talk) == 2000
