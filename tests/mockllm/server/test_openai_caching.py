"""Caching without markers as OpenAI's SDK sees it: counts in the usage, and time to the first token."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from openai_for_tests import ASKED, openai_in_warp
from profiles_for_tests import AUTOMATIC, make_profile
from server_for_tests import Recorder, Served, letters

LONG: list[Any] = [{"role": "system", "content": letters(2000)}, {"role": "user", "content": "Is it late?"}]


def profile(rule: str) -> Any:
    return make_profile(automatic_cache=AUTOMATIC[rule], uncached_s_per_1k=1.0, spike=None)


async def counts(sdk: AsyncOpenAI, messages: list[Any], **fields: Any) -> tuple[int, int]:
    """Tokens read from the cache, and written to it."""
    told = (await sdk.chat.completions.create(**{**ASKED, "messages": messages, **fields})).usage
    assert told is not None
    assert told.prompt_tokens_details is not None
    details = told.prompt_tokens_details
    return details.cached_tokens or 0, details.cache_write_tokens or 0


def test_steps_of_the_prompt_are_read_free_of_any_cost_of_writing() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> list[tuple[int, int]]:
        other = [LONG[0], {"role": "user", "content": "Something else?"}]
        fresh = {"prompt_cache_key": "another"}
        return [
            await counts(sdk, LONG),
            await counts(sdk, LONG),
            await counts(sdk, other),
            await counts(sdk, LONG, **fresh),
        ]

    assert openai_in_warp(talk, profile=profile("steps")) == [(0, 0), (1920, 0), (1920, 0), (0, 0)]


def test_a_conversation_reads_up_to_its_last_breakpoint_and_pays_for_the_rest() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> list[tuple[int, int]]:
        grown = [*LONG, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": letters(100)}]
        return [await counts(sdk, LONG), await counts(sdk, grown), await counts(sdk, grown)]

    assert openai_in_warp(talk, profile=profile("breakpoints")) == [(0, 2003), (2003, 101), (2104, 0)]


def test_a_marked_system_prompt_is_shared_by_all_who_go_on_from_it() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> list[tuple[int, int]]:
        part = {"type": "text", "text": letters(2000), "prompt_cache_breakpoint": {"mode": "explicit"}}
        ask = [[{"role": "system", "content": [part]}, {"role": "user", "content": f"{n}?"}] for n in "ab"]
        options = {"extra_body": {"prompt_cache_options": {"mode": "explicit"}}}
        return [await counts(sdk, messages, **options) for messages in ask]

    assert openai_in_warp(talk, profile=profile("breakpoints")) == [(0, 2000), (2000, 0)]


def test_responses_are_cached_by_the_same_rule_and_prewarming_fills_the_cache() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> tuple[Any, Any]:
        ask: dict[str, Any] = {"model": "test-model", "input": "Is it late?", "instructions": letters(2000)}
        first = await sdk.responses.create(**ask, extra_body={"prompt_cache_options": {"prewarm": True}})
        return first, await sdk.responses.create(**ask)

    first, second = openai_in_warp(talk, profile=profile("breakpoints"))
    assert (first.output, first.usage.output_tokens, first.status) == ([], 0, "completed")
    assert second.usage.input_tokens_details.cached_tokens == 2003


def test_what_is_read_saves_time() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> list[int]:
        for _ in range(2):
            await counts(sdk, LONG)
        assert isinstance(served.emulator, Recorder)
        return [answer.timeline.first_us for answer in served.emulator.answers]

    first, second = openai_in_warp(talk, profile=profile("breakpoints"))
    assert second < first - 500_000


def test_where_the_profile_has_no_such_rule_nothing_is_cached() -> None:
    async def talk(sdk: AsyncOpenAI, _: Served) -> list[tuple[int, int]]:
        return [await counts(sdk, LONG), await counts(sdk, LONG)]

    assert openai_in_warp(talk) == [(0, 0), (0, 0)]


def test_the_other_protocol_s_prompts_stay_with_their_own_markers() -> None:
    async def talk(_: AsyncOpenAI, served: Served) -> list[int]:
        messages = [{"role": "user", "content": letters(2000)}]
        return [(await served.create(messages=messages)).usage.cache_read_input_tokens for _ in range(2)]

    assert openai_in_warp(talk, profile=profile("breakpoints")) == [0, 0]
