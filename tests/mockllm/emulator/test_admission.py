from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.clock.sim_loop import SimLoop
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.profile import Profile
from mockllm.core.reply import Script, Text
from mockllm.core.request import FIVE_MINUTES_US, Block, Breakpoint, Prefix, Request
from mockllm.emulator.admission import Answer, Emulator

LEVELS = {"t": "tools", "s": "system", "m": "messages"}


class StillClock:
    """A clock that stands where it is put, for plans that nobody waits for."""

    def __init__(self) -> None:
        self.at_us = 0

    def now_us(self) -> int:
        return self.at_us


def request(path: str, blocks: str = "tsm", marks: Sequence[int] = (), max_tokens: int = 1000) -> Request:
    """A hundred tokens for each letter of `blocks`, whose level it names."""
    prefix = Prefix("scope")
    for letter in blocks:
        prefix.append(Block(LEVELS[letter.lower()], 100, "text", "user", letter, 100))
    breakpoints = tuple(Breakpoint(mark, FIVE_MINUTES_US) for mark in marks)
    return Request(Identity(path), "test-model", prefix, len(blocks), breakpoints, max_tokens, False)


def emulator(*, warm: bool = False, profile: Profile | None = None, clock: StillClock | None = None) -> Emulator:
    return Emulator(
        profile or make_profile(minimum_tokens=100),
        Draws(1, 0),
        clock or StillClock(),  # type: ignore[arg-type]  # a plan looks at the time and never waits
        lambda asked: Script(20, text=f"to {asked.identity.path}"),
        warm,
    )


def admitted(names: Sequence[str], warm: bool = False) -> list[Answer]:
    """The answers to requests that arrive at one instant in the order of `names`, in the order of admission."""
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
    mock = Emulator(make_profile(minimum_tokens=100), Draws(1, 0), loop, lambda _: Script(20), warm)
    order: list[Answer] = []

    async def ask(name: str, hops: int) -> None:
        for _ in range(hops):
            await asyncio.sleep(0)
        order.append(await mock.admit(request(name, marks=[2])))

    async def all_of_them() -> None:
        await asyncio.gather(*[ask(name, hops) for hops, name in enumerate(names)])

    try:
        loop.run_until_complete(all_of_them())
    finally:
        loop.close()
    return order


@given(st.permutations(["a/turn-0", "a/turn-0/retry-1", "a/turn-1", "b/turn-0", "b/turn-10", "b/turn-2"]))
def test_requests_of_one_instant_are_admitted_in_the_order_of_their_names(names: list[str]) -> None:
    answers = admitted(names)
    assert [answer.identity.path for answer in answers] == sorted(names)
    assert {answer.admitted_us for answer in answers} == {0}
    assert answers == admitted(sorted(names))


def test_the_same_request_twice_at_one_instant_is_written_twice_and_read_by_neither() -> None:
    for answer in admitted(["a", "b"]):
        assert answer.usage.read_tokens == 0
        assert answer.usage.write_5m_tokens == 300


def test_a_prefix_can_be_read_from_the_instant_at_which_the_first_answer_begins() -> None:
    clock = StillClock()
    mock = emulator(clock=clock)
    first = mock.plan(request("a", marks=[2]))
    assert first.first_us == first.timeline.first_us
    clock.at_us = first.first_us - 1
    assert mock.plan(request("b", marks=[2])).usage.read_tokens == 0
    clock.at_us = first.first_us
    assert mock.plan(request("c", marks=[2])).usage.read_tokens == 300


def test_a_warm_start_has_the_tools_and_the_system_prompt_cached_and_no_message() -> None:
    mock = emulator(warm=True)
    usage = mock.plan(request("a", "tsm", marks=[0, 1, 2])).usage
    assert (usage.read_tokens, usage.write_5m_tokens, usage.input_tokens) == (200, 100, 0)


def test_a_warm_start_warms_only_what_is_marked() -> None:
    usage = emulator(warm=True).plan(request("a", "tsm", marks=[2])).usage
    assert (usage.read_tokens, usage.write_5m_tokens) == (0, 300)
    usage = emulator(warm=True).plan(request("a", "tsm")).usage
    assert (usage.read_tokens, usage.write_5m_tokens, usage.input_tokens) == (0, 0, 300)


def test_a_warm_start_is_the_beginning_of_a_run_and_warms_no_system_prompt_again() -> None:
    clock = StillClock()
    mock = emulator(warm=True, clock=clock)
    assert mock.plan(request("a", "sm", marks=[0])).usage.read_tokens == 100
    clock.at_us = FIVE_MINUTES_US
    assert mock.plan(request("b", "sm", marks=[0])).usage.read_tokens == 0


def test_each_system_prompt_of_a_run_is_warm_by_itself() -> None:
    mock = emulator(warm=True)
    assert mock.plan(request("a", "sm", marks=[0])).usage.read_tokens == 100
    assert mock.plan(request("b", "Sm", marks=[0])).usage.read_tokens == 100


def test_a_cold_start_has_nothing_cached() -> None:
    assert emulator().plan(request("a", "tsm", marks=[0, 1, 2])).usage.read_tokens == 0


@given(st.sampled_from(["tsm", "tssmmm", "m"]), st.integers(1, 50), st.booleans())
def test_the_same_request_in_the_same_state_has_the_same_answer(blocks: str, max_tokens: int, warm: bool) -> None:
    asked = request("a", blocks, [0], max_tokens)
    assert emulator(warm=warm).plan(asked) == emulator(warm=warm).plan(asked)
    mock = emulator(warm=warm)
    answer = mock.plan(asked)
    assert mock.flushes(answer) == mock.flushes(answer)
    assert sum(flush.tokens for flush in mock.flushes(answer)) == answer.reply.output_tokens


def test_luck_is_the_requests_own_whoever_came_before_it() -> None:
    alone = emulator().plan(request("b"))
    after_another = emulator()
    after_another.plan(request("a"))
    assert after_another.plan(request("b")) == alone


def test_a_script_that_was_left_for_a_call_is_spoken_and_the_speaker_is_not_asked() -> None:
    mock = emulator()
    mock.scripts["a"] = Script(5, text="as told")
    assert mock.plan(request("a")).reply.parts == (Text("as told"),)
    assert mock.plan(request("b")).reply.parts == (Text("to b"),)


def test_the_usage_parts_are_the_whole_prompt_and_stamps_are_of_the_runs_clock() -> None:
    clock = StillClock()
    clock.at_us = 7
    answer = emulator(clock=clock).plan(request("a", "tsmm", marks=[1]))
    assert answer.usage.prompt_tokens == 400
    assert answer.usage.output_tokens == answer.reply.output_tokens
    assert answer.admitted_us == 7
    assert 7 < answer.first_us <= answer.end_us


@pytest.mark.parametrize("cached", [False, True])
def test_what_is_read_is_not_computed_again(cached: bool) -> None:
    profile = make_profile(minimum_tokens=100, uncached_s_per_1k=1.0, cached_s_per_1k=0.0, spike=None)
    clock = StillClock()
    mock = emulator(profile=profile, clock=clock)
    plain = mock.plan(request("a", marks=[2] if cached else []))
    clock.at_us = 100_000_000
    again = mock.plan(request("a", marks=[2] if cached else []))
    assert (again.timeline.first_us < plain.timeline.first_us) == cached
