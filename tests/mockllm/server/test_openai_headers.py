"""Headers that are sent before the first text, as OpenAI's are."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from openai_for_tests import ASKED, openai_in_warp
from profiles_for_tests import make_profile
from server_for_tests import Recorder, Served

from mockllm.core.faults import read_rules

LEAD_S = 0.25
EARLY = make_profile(headers_lead_s=LEAD_S, intercept_s=2.0)


async def begun(sdk: AsyncOpenAI, served: Served) -> tuple[float, float]:
    """When the headers of a streamed completion came, and its first text."""
    stream = await sdk.chat.completions.create(**ASKED, stream=True)
    headers_s = served.loop.time()
    texts = [served.loop.time() async for chunk in stream if chunk.choices[0].delta.content]
    return headers_s, texts[0]


def planned(served: Served) -> Any:
    assert isinstance(served.emulator, Recorder)
    return served.emulator.answers[-1]


def test_the_headers_of_a_stream_come_ahead_of_its_first_text_by_the_profile_s_lead() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[tuple[float, float], Any, Any]:
        return await begun(sdk, served), planned(served), next(iter(served.runs.default.log))

    (headers_s, first_s), answer, entry = openai_in_warp(talk, profile=EARLY)
    assert first_s == answer.first_us / 1e6
    assert headers_s == (answer.first_us - 250_000) / 1e6
    assert entry.first_late_us == 0


def test_without_a_lead_they_come_together() -> None:
    headers_s, first_s = openai_in_warp(begun)
    assert headers_s == first_s


def test_headers_never_come_before_their_request() -> None:
    headers_s, first_s = openai_in_warp(begun, profile=make_profile(headers_lead_s=60.0))
    assert headers_s == 0 < first_s


def test_a_response_is_created_with_its_headers() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[list[tuple[float, str]], Any, Any]:
        ask: dict[str, Any] = {"model": "test-model", "input": "Is it late?", "stream": True}
        seen = [(served.loop.time(), event.type) async for event in await sdk.responses.create(**ask)]
        return seen, planned(served), next(iter(served.runs.default.log))

    seen, answer, entry = openai_in_warp(talk, profile=EARLY)
    assert seen[:2] == [
        ((answer.first_us - 250_000) / 1e6, "response.created"),
        ((answer.first_us - 250_000) / 1e6, "response.in_progress"),
    ]
    assert seen[2] == (answer.first_us / 1e6, "response.output_item.added")
    assert entry.first_late_us == 0


def test_a_whole_answer_has_no_headers_ahead_of_it() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[float, Any]:
        async with sdk.chat.completions.with_streaming_response.create(**ASKED):
            return served.loop.time(), planned(served)

    headers_s, answer = openai_in_warp(talk, profile=EARLY)
    assert headers_s == answer.end_us / 1e6


def test_a_slow_start_is_slow_for_the_headers_too() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[float, float]:
        served.runs.default.faults = read_rules({"kind": "slow_start"})
        return await begun(sdk, served)

    headers_s, first_s = openai_in_warp(talk, profile=EARLY)
    assert headers_s == first_s > 10
