"""Shared load: slots, the queue before them, and decoding that slows down for all, against what arithmetic says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.clock.sim_loop import SimLoop
from mockllm.core.identity import Identity
from mockllm.emulator.load import Load, OverloadedError

SECOND = 1_000_000


def assumed(value: float) -> dict[str, object]:
    return {"value": value, "evidence": "assumed", "source": "tests", "interval": (value, value), "reason": "a test"}


def load_of(loop: SimLoop, slots: int, share: float, queue_most: int = 1000) -> Load:
    """A machine on which `share` streams can be said at their full speed at once."""
    table = {"slots": assumed(slots), "queue_most": assumed(queue_most), "total_tokens_per_s": assumed(80.0 * share)}
    return Load(make_profile(load=table, tokens_per_s=80.0), loop)


Job = tuple[str, int, int]
"""Name, arrival and length of its plan, in microseconds."""


def ended(jobs: Sequence[Job], slots: int, share: float, patience: dict[str, int] | None = None) -> dict[str, int]:
    """When each job ends; one with a patience gives up so long after its arrival, and has no end."""
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
    load = load_of(loop, slots, share)
    ends: dict[str, int] = {}

    async def run(name: str, at_us: int, length_us: int) -> None:
        await loop.sleep_until(at_us)
        place = await load.arrive(Identity(name))
        try:
            await place.granted
            place.begin(length_us)
            await place.reach(length_us)
            ends[name] = loop.now_us()
        finally:
            place.leave()

    async def all_of_them() -> None:
        async def patient(job: Job) -> None:
            limit = (patience or {}).get(job[0])
            if limit is None:
                await run(*job)
                return
            running = asyncio.ensure_future(run(*job))
            await loop.sleep_until(job[1] + limit)
            running.cancel()
            await asyncio.wait([running])

        await asyncio.gather(*[patient(job) for job in jobs])

    try:
        loop.run_until_complete(all_of_them())
        assert (load.active, load.waiting) == (0, 0)
    finally:
        loop.close()
    return ends


def test_fewer_than_the_machine_can_bear_are_as_fast_as_alone() -> None:
    assert ended([("a", 0, SECOND), ("b", SECOND // 2, SECOND)], slots=4, share=2) == {
        "a": SECOND,
        "b": SECOND * 3 // 2,
    }


@pytest.mark.parametrize(("jobs", "slots", "share"), [(12, 4, 4.0), (12, 4, 2.0), (12, 4, 1.0), (7, 3, 1.5)])
def test_equal_jobs_go_through_in_batches_each_as_slow_as_it_is_crowded(jobs: int, slots: int, share: float) -> None:
    ends = ended([(f"{n:02}", 0, SECOND) for n in range(jobs)], slots, share)
    due = Fraction(0)
    for batch in range(0, jobs, slots):
        crowd = min(slots, jobs - batch)
        due += SECOND / Fraction(min(1.0, share / crowd)).limit_denominator(10**6)
        for number in range(batch, batch + crowd):
            assert abs(ends[f"{number:02}"] - due) <= 2 + batch


def test_who_comes_first_waits_least_and_a_full_queue_turns_away() -> None:
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
    load = load_of(loop, slots=1, share=1, queue_most=2)

    async def come() -> tuple[list[bool], str]:
        places = [await load.arrive(Identity(name)) for name in "abc"]
        with pytest.raises(OverloadedError) as caught:
            await load.arrive(Identity("d"))
        granted = [place.granted.done() for place in places]
        for place in reversed(places):
            place.leave()
        return granted, str(caught.value)

    try:
        granted, told = loop.run_until_complete(come())
    finally:
        loop.close()
    assert granted == [True, False, False]
    assert told == "all 1 slots are taken, and 2 requests wait"


def test_who_gives_up_frees_its_slot_at_once_and_its_place_in_the_queue_too() -> None:
    jobs = [("a", 0, 10 * SECOND), ("b", 1, SECOND), ("c", 2, SECOND)]
    assert ended(jobs, 1, 1.0, {"a": 3 * SECOND}) == {"b": 4 * SECOND, "c": 5 * SECOND}
    assert ended(jobs, 1, 1.0, {"a": 3 * SECOND, "b": SECOND}) == {"c": 4 * SECOND}


def test_a_neighbour_that_leaves_early_speeds_up_the_rest() -> None:
    # Two share one stream's speed: a second of work took two until the other left after one.
    assert ended([("a", 0, SECOND), ("b", 0, SECOND)], 2, 1.0, {"b": SECOND}) == {"a": SECOND * 3 // 2}


def test_what_comes_after_the_plan_s_end_comes_as_much_later_and_keeps_no_slot() -> None:
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
    load = load_of(loop, 1, 1.0)

    async def stalled() -> list[int]:
        place = await load.arrive(Identity("stalled"))
        await place.granted
        place.begin(SECOND)
        came = []
        for at_us in (SECOND // 2, 31 * SECOND, 33 * SECOND):
            await place.reach(at_us)
            came.append(loop.now_us())
        return came

    async def neighbour() -> int:
        place = await load.arrive(Identity("waits"))
        await place.granted
        return loop.now_us()

    async def both() -> tuple[list[int], int]:
        return await asyncio.gather(stalled(), neighbour())

    try:
        came, granted_us = loop.run_until_complete(both())
    finally:
        loop.close()
    assert came == [SECOND // 2, 31 * SECOND, 33 * SECOND]
    assert granted_us == SECOND


@given(st.permutations(list("abcdefgh")), st.integers(1, 4), st.sampled_from([1.0, 1.5, 3.0]))
@settings(max_examples=30)
def test_those_of_one_instant_are_served_in_the_order_of_their_names(
    order: list[str], slots: int, share: float
) -> None:
    lengths = {name: (number + 1) * 100_000 for number, name in enumerate("abcdefgh")}
    jobs = [(name, 0, lengths[name]) for name in order]
    assert ended(jobs, slots, share) == ended(sorted(jobs), slots, share)


@given(
    jobs=st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 2 * SECOND)), min_size=1, max_size=8),
    slots=st.integers(1, 4),
    share=st.sampled_from([0.5, 1.0, 2.0]),
)
@settings(max_examples=60)
def test_any_load_ends_as_a_plain_simulation_says(jobs: list[tuple[int, int]], slots: int, share: float) -> None:
    named = [(f"{number}", at_us, length_us) for number, (at_us, length_us) in enumerate(jobs)]
    exact, ends = plainly(named, slots, Fraction(share)), ended(named, slots, share)
    assert set(ends) == set(exact)
    for name, end in ends.items():
        assert abs(end - exact[name]) <= 4 * len(jobs) + 4, name  # each change of speed rounds up to a microsecond


def plainly(jobs: Sequence[Job], slots: int, share: Fraction) -> dict[str, Fraction]:
    """The same by fractions, from one change to the next."""
    coming = sorted([(at_us, name, Fraction(length_us)) for name, at_us, length_us in jobs])
    waiting: list[tuple[str, Fraction]] = []
    inside: dict[str, Fraction] = {}
    ends: dict[str, Fraction] = {}
    now = Fraction(0)
    while coming or waiting or inside:
        while waiting and len(inside) < slots:
            name, left = waiting.pop(0)
            inside[name] = left
        speed = min(Fraction(1), share / len(inside)) if inside else Fraction(1)
        until_end = min(inside.values()) / speed if inside else None
        until_arrival = Fraction(coming[0][0]) - now if coming else None
        step = min(pause for pause in (until_end, until_arrival) if pause is not None)
        now += step
        inside = {name: left - step * speed for name, left in inside.items()}
        for name in [name for name, left in inside.items() if left == 0]:
            del inside[name]
            ends[name] = now
        while coming and coming[0][0] <= now:
            _, name, left = coming.pop(0)
            waiting.append((name, left))
    return ends
