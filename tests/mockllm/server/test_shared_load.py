"""A machine that its requests share, over HTTP: the thousandth stream is whole, and who vanishes makes room."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from profiles_for_tests import make_profile
from server_for_tests import Recorder, Served, in_warp
from streams_for_tests import streamed
from worlds_for_tests import TIED

from mockllm.core.draws import Draws
from mockllm.core.faults import read_rules
from mockllm.core.identity import CALL_HEADER
from mockllm.core.profile import Profile
from mockllm.core.reply import Script
from mockllm.core.speaker import DefaultSpeaker


def assumed(value: float) -> dict[str, object]:
    return {"value": value, "evidence": "assumed", "source": "tests", "interval": (value, value), "reason": "a test"}


def machine(slots: int, share: float, queue_most: int = 10_000) -> Profile:
    """A machine without luck that says 80 tokens a second to each of `share` streams, and less to each of more."""
    table = {"slots": assumed(slots), "queue_most": assumed(queue_most), "total_tokens_per_s": assumed(80.0 * share)}
    return make_profile(**TIED, load=table, tokens_per_s=80.0)


@pytest.mark.slow
def test_a_thousand_streams_go_through_32_slots_and_each_is_whole() -> None:
    async def talk(served: Served) -> tuple[list[tuple[str, int, int]], Any, Any]:
        ended = await asyncio.gather(*[streamed(served, number) for number in range(1000)])
        assert isinstance(served.emulator, Recorder)
        state = (await served.http.get("/_mock/state")).json()
        return ended, served.emulator.answers, state["load"]

    ended, answers, left = in_warp(talk, profile=machine(32, 8), speak=DefaultSpeaker(Draws(1, 0)))
    planned = {answer.reply.id: answer.usage.output_tokens for answer in answers}
    assert {name: tokens for name, tokens, _ in ended} == planned
    assert len(planned) == 1000
    assert left == {"active": 0, "waiting": 0}
    # The machine says 640 tokens a second, so it cannot have been done sooner than that, nor much later.
    ideal_s = sum(planned.values()) / 640
    assert ideal_s < max(at_us for _, _, at_us in ended) / 1e6 < 1.2 * ideal_s


def test_two_at_once_on_a_machine_for_one_take_twice_as_long() -> None:
    async def talk(served: Served) -> list[float]:
        took = []
        for crowd in (1, 2):
            began = served.loop.time()
            await asyncio.gather(*[served.create(extra_headers={CALL_HEADER: f"{crowd}-{n}"}) for n in range(crowd)])
            took.append(served.loop.time() - began)
        return took

    alone, crowded = in_warp(talk, profile=machine(2, 1))
    assert crowded == pytest.approx(2 * alone, abs=1e-5)


def test_a_client_that_vanishes_frees_its_slot() -> None:
    async def talk(served: Served) -> tuple[float, Any]:
        leaving, waiting = (
            asyncio.create_task(served.create(extra_headers={CALL_HEADER: name})) for name in ("first", "second")
        )
        await asyncio.sleep(0.2)
        leaving.cancel()
        await waiting
        ended_s = served.loop.time()
        return ended_s, (await served.http.get("/_mock/state")).json()["load"]

    async def alone(served: Served) -> float:
        await served.create(extra_headers={CALL_HEADER: "second"})
        return served.loop.time()

    ended_s, left = in_warp(talk, profile=machine(1, 1))
    assert ended_s == pytest.approx(0.2 + in_warp(alone, profile=machine(1, 1)), abs=1e-5)
    assert left == {"active": 0, "waiting": 0}


@pytest.mark.parametrize(("kind", "late_s"), [("stall", 30.0), ("slow_start", 10.0)])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_fault_that_waits_waits_as_long_on_a_shared_machine(kind: str, late_s: float, streaming: bool) -> None:
    async def ask(served: Served) -> float:
        began_s = served.loop.time()
        if streaming:
            async with served.stream(extra_headers={CALL_HEADER: "one"}) as stream:
                await stream.get_final_message()
        else:
            await served.create(extra_headers={CALL_HEADER: "one"})
        return served.loop.time() - began_s

    async def failing(served: Served) -> float:
        served.runs.default.faults = read_rules({"kind": kind})
        return await ask(served)

    profile = machine(1, 1)
    assert in_warp(failing, profile=profile) == pytest.approx(late_s + in_warp(ask, profile=profile), abs=1e-5)


def test_whoever_finds_the_queue_full_is_told_to_come_again() -> None:
    async def ask(served: Served, name: str) -> int:
        try:
            await served.create(extra_headers={CALL_HEADER: name})
        except anthropic.APIStatusError as error:
            return error.status_code
        return 200

    async def talk(served: Served) -> list[int]:
        return await asyncio.gather(*[ask(served, name) for name in "dbca"])

    # Of those who come at once a and b find room, by name and not by place.
    assert in_warp(talk, profile=machine(1, 1, queue_most=1)) == [529, 200, 529, 200]


def test_a_crowded_answer_is_no_lateness_of_the_server() -> None:
    async def talk(served: Served) -> list[int | None]:
        async with served.stream() as one, served.stream(messages=[{"role": "user", "content": "And now?"}]) as other:
            await asyncio.gather(one.get_final_message(), other.get_final_message())
        return [entry.first_late_us for entry in served.runs.default.log]

    assert in_warp(talk, profile=machine(2, 1), speak=lambda _: Script(100)) == [None, None]
