"""What a scenario sees, on a client that only notes what it is asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from latlab import Chat, Lab, Script, Tool, ToolCall, ToolResult
from latlab.client import Call, Exchange
from latlab.config import BenchmarkConfig
from latlab.lab import ScenarioError
from mockllm.clock.sim_loop import SimLoop
from mockllm.core.distributions import Constant, Lognormal
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.passage import Passage
from mockllm.core.reply import compose
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.usage import Usage, cost_nusd

T = TypeVar("T")
PROFILE = make_profile()
COUNTER = TokenCounter(PROFILE.tokens)


def answer(arguments: Mapping[str, Any]) -> str:
    return f"seen {arguments['at']}"


LOOK = Tool("look", "Looks.", {"type": "object"}, Constant(0.5), answer=answer)
FETCH = Tool("fetch", "Fetches.", {"type": "object"}, Lognormal(0.4, 0.5), result_tokens=Lognormal(200, 0.5))


class Echo:
    """Answers every call as its script says, a second after it was sent."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.calls: list[Call] = []

    async def send(self, call: Call) -> Exchange:
        self.calls.append(call)
        start_us = self.loop.now_us()
        reply = compose(call.script, Identity(call.path), "test-model", call.max_tokens, COUNTER)
        await self.loop.sleep_until(start_us + 1_000_000)
        end_us = self.loop.now_us()
        usage = Usage(100, 20, 3, 0, reply.output_tokens)
        return Exchange(reply, usage, start_us, 50, True, end_us - 40, end_us - 30, end_us)


def live(
    scenario: Callable[[Lab], Awaitable[T]], seed: int = 1, run: int = 0, **config: Any
) -> tuple[T, Lab, list[Call]]:
    """What `scenario` returned, its lab, and the calls that the client was asked for."""
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here
    client = Echo(loop)
    lab = Lab(
        BenchmarkConfig(**config), client, loop, Draws(seed, run), COUNTER, PROFILE.price, PROFILE.max_output_tokens
    )

    async def whole() -> T:
        return await scenario(lab)

    try:
        return loop.run_until_complete(whole()), lab, client.calls
    finally:
        loop.close()


def fails(scenario: Callable[[Lab], Awaitable[object]], says: str, **config: Any) -> None:
    with pytest.raises(ScenarioError, match=says) as raised:
        live(scenario, **config)
    assert "\n" not in str(raised.value)


# Luck


async def luck(lab: Lab) -> list[Any]:
    return [
        lab.pick(range(1000)),
        lab.pick(range(1000), "again"),
        lab.draw(Lognormal(1, 1), "size"),
        lab.draw(Lognormal(1, 1), "size", "a"),
        lab.uniforms("turn", "main/turn-0"),
    ]


def test_luck_is_a_runs_own_and_shared_by_every_arm() -> None:
    first = live(luck)[0]
    assert live(luck, streaming=True, cache_control="auto", parallel_tools=True, connection_reuse=False)[0] == first
    assert live(luck, run=1)[0] != first
    assert live(luck, seed=2)[0] != first
    assert len(set(map(str, first))) == len(first)


@given(st.permutations(["a", "b", "c", "d"]))
def test_luck_is_by_name_and_not_by_turn(order: list[str]) -> None:
    async def scenario(lab: Lab) -> dict[str, float]:
        return {name: lab.draw(Lognormal(1, 1), name) for name in order}

    assert live(scenario)[0] == live(scenario)[0]
    assert dict(sorted(live(scenario)[0].items())) == {name: live(luck_of(name))[0] for name in ["a", "b", "c", "d"]}


def luck_of(name: str) -> Callable[[Lab], Awaitable[float]]:
    async def scenario(lab: Lab) -> float:
        return lab.draw(Lognormal(1, 1), name)

    return scenario


@given(st.integers(1, 50), st.integers(0, 200))
def test_a_pick_is_one_of_the_choices(size: int, run: int) -> None:
    async def scenario(lab: Lab) -> int:
        return lab.pick(list(range(size)))

    assert 0 <= live(scenario, run=run)[0] < size


@given(st.floats(0.0, 5_000.0))
def test_a_text_has_as_many_tokens_as_were_asked_for_and_is_nobody_elses(tokens: float) -> None:
    async def scenario(lab: Lab) -> tuple[Any, Any]:
        return lab.text("one", tokens), lab.text("two", tokens)

    one, two = live(scenario)[0]
    assert COUNTER.count(write_out(one, COUNTER)) == max(1, round(tokens))
    assert one != two
    assert one == live(scenario)[0][0]


# The model


def test_calls_are_named_by_chat_and_turn_and_recorded_from_their_start() -> None:
    async def scenario(lab: Lab) -> list[str]:
        paths = []
        for name in ("main", "side"):
            chat = lab.chat(name=name)
            for _ in range(2):
                chat.user("Go on")
                paths.append((await lab.complete(chat, expect=Script(7))).path)
        return paths

    paths, lab, calls = live(scenario)
    assert paths == ["main/turn-0", "main/turn-1", "side/turn-0", "side/turn-1"]
    assert [call.path for call in calls] == paths
    assert [call.turns for call in calls] == [1, 3, 1, 3]
    last = lab.calls[-1]
    assert (last.start_us, last.connect_us, last.headers_us) == (3_000_000, 50, 999_960)
    assert (last.ttft_us, last.total_us, last.output_tokens) == (999_970, 1_000_000, 7)
    assert last.cost_nusd == cost_nusd(Usage(100, 20, 3, 0, 7), PROFILE.price) > 0
    assert lab.now_us() == 4_000_000


def test_an_answer_is_appended_and_says_what_was_said() -> None:
    async def scenario(lab: Lab) -> tuple[str, str, int]:
        chat = lab.chat()
        chat.user("Hello")
        said = await lab.complete(chat, expect=Script(3, text="Good day"))
        filler = lab.chat(name="filler")
        filler.user("Hello")
        long = await lab.complete(filler, expect=Script(50))
        return said.text, chat.turns[-1].role, COUNTER.count(long.text)

    assert live(scenario)[0] == ("Good day", "assistant", 50)


def test_what_to_expect_may_depend_on_the_chat() -> None:
    def expect(lab: Lab, chat: Chat, path: str) -> Script:
        return Script(5, text=f"{path} {len(chat.turns)}")

    async def scenario(lab: Lab) -> str:
        chat = lab.chat()
        chat.user("Hello")
        return (await lab.complete(chat, expect=expect)).text

    assert live(scenario)[0] == "main/turn-0 1"


def test_the_user_has_seen_the_answer_that_calls_no_tool() -> None:
    async def scenario(lab: Lab) -> list[int | None]:
        chat = lab.chat(tools=[LOOK])
        chat.user("Look")
        seen = []
        reply = await lab.complete(chat, expect=Script(30, [("look", {"at": "a"})]))
        seen.append(lab.shown_us)
        chat.tool_results(await lab.run_tools(reply.tool_calls))
        await lab.complete(chat, expect=Script(30))
        return [*seen, lab.shown_us]

    assert live(scenario)[0] == [None, 2_499_970]


def test_a_limit_is_passed_on() -> None:
    async def scenario(lab: Lab) -> None:
        chat = lab.chat()
        chat.user("Hello")
        await lab.complete(chat, expect=Script(30), max_tokens=7)

    _, lab, calls = live(scenario)
    assert calls[0].max_tokens == lab.calls[0].output_tokens == 7


# Tools


def called(*names: str) -> list[ToolCall]:
    return [ToolCall(f"main/turn-0/tool-{n}", f"t{n}", name, {"at": f"{n}"}) for n, name in enumerate(names)]


async def with_tools(lab: Lab, calls: list[ToolCall]) -> tuple[list[ToolResult], int]:
    lab.chat(tools=[LOOK, FETCH])
    return await lab.run_tools(calls), lab.now_us()


@pytest.mark.parametrize(("parallel", "took_us"), [(False, 1_500_000), (True, 500_000)])
def test_tools_run_one_by_one_or_at_once_and_results_are_in_the_order_of_the_calls(
    parallel: bool, took_us: int
) -> None:
    (results, now_us), lab, _ = live(
        lambda lab: with_tools(lab, called("look", "look", "look")), parallel_tools=parallel
    )
    assert results == [ToolResult(f"t{n}", f"seen {n}") for n in range(3)]
    assert now_us == took_us
    assert lab.tool_runs == 3


def test_a_tools_latency_and_its_result_are_drawn_by_the_calls_own_name() -> None:
    calls = called("fetch", "fetch", "look")
    (one_by_one, took_us), _, _ = live(lambda lab: with_tools(lab, calls))
    (at_once, less_us), _, _ = live(lambda lab: with_tools(lab, calls), parallel_tools=True)
    (backwards, same_us), _, _ = live(lambda lab: with_tools(lab, calls[::-1]))
    assert one_by_one == at_once == backwards[::-1]
    assert less_us < took_us == same_us
    assert isinstance(one_by_one[0].content, Passage)
    assert one_by_one[0].content.key == "main/turn-0/tool-0"


@pytest.mark.parametrize("parallel", [False, True])
def test_one_call_alone_is_the_same_in_both(parallel: bool) -> None:
    (results, now_us), _, _ = live(lambda lab: with_tools(lab, called("look")), parallel_tools=parallel)
    assert (results, now_us) == ([ToolResult("t0", "seen 0")], 500_000)


def test_no_call_is_no_result() -> None:
    for parallel in (False, True):
        assert live(lambda lab: with_tools(lab, []), parallel_tools=parallel)[0] == ([], 0)


def test_a_tools_own_error_comes_out() -> None:
    with pytest.raises(KeyError):
        live(lambda lab: with_tools(lab, [ToolCall("main/turn-0/tool-0", "t", "look", {})]))
    broken = [ToolCall("main/turn-0/tool-0", "t", "look", {}), *called("look")[:1]]
    with pytest.raises(KeyError):
        live(lambda lab: with_tools(lab, broken), parallel_tools=True)


# What cannot be


def test_a_tool_that_no_chat_has_is_refused() -> None:
    fails(lambda lab: with_tools(lab, called("unknown")), "'unknown', which no chat of this run has")


def test_two_chats_of_one_name_are_refused() -> None:
    async def scenario(lab: Lab) -> None:
        lab.chat(name="twin")
        lab.chat(name="twin")

    fails(scenario, "'twin'.*a name of its own")


@pytest.mark.parametrize("name", ["", "two words", "a//b", "/a", "é", "x" * 90])
def test_a_chat_needs_a_name_that_can_be_sent(name: str) -> None:
    async def scenario(lab: Lab) -> None:
        lab.chat(name=name)

    fails(scenario, "no name for a chat")


def test_an_empty_chat_has_nothing_to_be_answered() -> None:
    async def scenario(lab: Lab) -> None:
        await lab.complete(lab.chat(), expect=Script(5))

    fails(scenario, "'main'.*chat.user")


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        (None, "expect=None is no Script"),
        (lambda lab, chat, path: "a text", "expect made 'a text', which is no Script"),
        (Script(math.nan), r"Script\(output_tokens=nan\): give a whole number"),  # type: ignore[arg-type]  # what is refused
        (Script(-1), r"Script\(output_tokens=-1\): give a whole number"),
        (Script(5, ["look"]), "'look' is no tool call"),  # type: ignore[list-item]  # the same
        (Script(5, [("look", {"at": {1, 2}})]), "of a call of the tool 'look': .*set"),
        (Script(5, [("look", {"at": math.inf})]), "'look': JSON has no Infinity"),
    ],
)
def test_what_cannot_be_said_is_refused(expect: Any, says: str) -> None:
    async def scenario(lab: Lab) -> None:
        chat = lab.chat(tools=[LOOK])
        chat.user("Look")
        await lab.complete(chat, expect=expect)

    fails(scenario, f"main/turn-0.*{says}")


def test_a_tool_call_without_its_result_is_refused_as_the_api_would() -> None:
    async def scenario(lab: Lab) -> None:
        chat = lab.chat(tools=[LOOK])
        chat.user("Look")
        await lab.complete(chat, expect=Script(30, [("look", {"at": "a"})]))
        chat.user("And?")
        await lab.complete(chat, expect=Script(5))

    fails(scenario, r"do not match \(toolu_.*chat.tool_results")


def test_a_result_without_its_call_is_refused_as_the_api_would() -> None:
    async def scenario(lab: Lab) -> None:
        chat = lab.chat(tools=[LOOK])
        chat.user("Look")
        await lab.complete(chat, expect=Script(5))
        chat.tool_results([ToolResult("stray", "seen")])
        await lab.complete(chat, expect=Script(5))

    fails(scenario, r"do not match \(stray\)")


def test_chats_at_once_do_not_mix() -> None:
    async def scenario(lab: Lab) -> list[str]:
        async def talk(name: str) -> str:
            chat = lab.chat(name=name)
            chat.user("Hello")
            return (await lab.complete(chat, expect=Script(5, text=name))).text

        return list(await asyncio.gather(*map(talk, ("a", "b", "c"))))

    said, lab, _ = live(scenario)
    assert said == ["a", "b", "c"]
    assert lab.now_us() == 1_000_000
