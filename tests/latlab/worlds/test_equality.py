"""Sim and warp are one experiment: every run's and every call's figures are equal, to the microsecond."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from profiles_for_tests import make_profile
from worlds_for_tests import TIED, both

from latlab import Lab, Script, Tool, ToolCall, ToolResult
from latlab.config import BenchmarkConfig
from latlab.harness.targets import Target, list_scenarios
from latlab.worlds.run import Outcome
from latlab.worlds.sim import run_sim
from latlab.worlds.warp import run_warp
from mockllm.core.distributions import Constant, Lognormal
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile
from mockllm.profiles import load

RUNS = range(5)
SHIPPED = {target.name: target for target in list_scenarios()}
PLACEMENTS = ("off", "system", "conversation", "auto")
CONFIGS = [
    BenchmarkConfig(*values)
    for values in itertools.product((False, True), PLACEMENTS, (False, True), (False, True), ("cold", "warm"))
]
# The shipped scenarios


@pytest.fixture(scope="module")
def sonnet() -> Profile:
    return load("claude-sonnet-5")[0]


@pytest.mark.slow
@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_scenario_is_the_same_in_sim_and_warp(
    name: str, placement: str, streaming: bool, start: str, sonnet: Profile
) -> None:
    fixed = (streaming, placement, start)
    chosen = [config for config in CONFIGS if (config.streaming, config.cache_control, config.cache_start) == fixed]
    assert len(chosen) == 4
    for config, run in itertools.product(chosen, RUNS):
        both(SHIPPED[name].run, sonnet, config, Draws(7, run))


@contextmanager
def busy_machine() -> Iterator[None]:
    """Two processes that never rest, and one that keeps sockets of the loopback full."""
    spin = "while True: pass"
    flood = (
        "import socket, threading\n"
        "door = socket.create_server(('127.0.0.1', 0))\n"
        "def drain():\n"
        "    peer = door.accept()[0]\n"
        "    while peer.recv(65536): pass\n"
        "threading.Thread(target=drain, daemon=True).start()\n"
        "line = socket.create_connection(door.getsockname())\n"
        "print('ready', flush=True)\n"
        "while True: line.sendall(b'x' * 1000)\n"
    )
    noise = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2)]
    noise.append(subprocess.Popen([sys.executable, "-c", flood], stdout=subprocess.PIPE))
    try:
        pipe = noise[-1].stdout
        assert pipe is not None
        assert pipe.readline() == b"ready\n"
        yield
    finally:
        for process in noise:
            process.kill()
            process.wait()
        pipe.close()


@pytest.mark.slow
def test_the_figures_are_the_same_on_a_busy_machine(sonnet: Profile) -> None:
    with busy_machine():
        # Every configuration once, for one scenario or another and in one run or another: noise makes all of it slow.
        for place, config in enumerate(CONFIGS):
            name = sorted(SHIPPED)[place % len(SHIPPED)]
            both(SHIPPED[name].run, sonnet, config, Draws(11, place % len(RUNS)))


def test_a_shipped_target_is_a_scenario() -> None:
    assert {"simple_qa", "tool_agent", "tool_agent_wide"} <= set(SHIPPED)
    assert all(isinstance(target, Target) for target in SHIPPED.values())


# Scenarios made up to be hard: many agents, ties, shared prefixes, pauses, cuts and cancellations


@dataclass(frozen=True)
class Step:
    """One thing that an agent does: a call (perhaps cut, perhaps given up after `patience_s`), then a pause."""

    output_tokens: int = 40
    tools: int = 0
    max_tokens: int = 16_384
    patience_s: float | None = None
    pause_s: float = 0.0


@dataclass
class Agents:
    """Agents that start at one instant; what each says next depends on what all did before it, and in which order."""

    plans: list[list[Step]]
    shared: bool = True
    starts_s: tuple[float, ...] = ()
    log: list[tuple[str, int, str]] = field(default_factory=list)

    async def __call__(self, lab: Lab) -> None:
        self.log = []
        async with asyncio.TaskGroup() as group:
            for number, plan in enumerate(self.plans):
                group.create_task(self._agent(lab, number, plan))

    async def _agent(self, lab: Lab, number: int, plan: list[Step]) -> None:
        if number < len(self.starts_s):
            await asyncio.sleep(self.starts_s[number])
        tool = Tool("look", "Looks.", {"type": "object", "properties": {"n": {"type": "integer"}}}, Constant(0.25))
        # Names against the order of starting, so that the tie rule has something to do.
        name = f"agent-{9 - number}"
        system = lab.text("system" if self.shared else name, 400)
        chat = lab.chat(system=system, tools=[tool], name=name)
        chat.user(lab.text("start" if self.shared else f"start-{name}", 300))
        for place, step in enumerate(plan):
            script = Script(step.output_tokens, [("look", {"n": n}) for n in range(step.tools)])
            asked: tuple[ToolCall, ...] = ()
            try:
                async with asyncio.timeout(step.patience_s):
                    reply = await lab.complete(chat, expect=script, max_tokens=step.max_tokens)
                    self._note(name, lab, "answered")
                    asked = reply.tool_calls
                    if asked:
                        chat.tool_results(await lab.run_tools(asked))
            except TimeoutError:
                if asked:
                    chat.tool_results([ToolResult(call.id, "gave up", is_error=True) for call in asked])
                self._note(name, lab, "gave up")
            if step.pause_s:
                await asyncio.sleep(step.pause_s)
                self._note(name, lab, "rested")
            order = hash_of(self.log)
            chat.user(lab.text(f"say-{place}-{order}", 80 + order % 50))

    def _note(self, name: str, lab: Lab, what: str) -> None:
        self.log.append((name, lab.now_us(), what))


def hash_of(log: list[tuple[str, int, str]]) -> int:
    """A number that tells two orders apart, the same in every process."""
    value = 0
    for name, at_us, what in log:
        value = (value * 31 + sum(map(ord, name + what)) + at_us) % 1_000_003
    return value


def alike(agents: Agents, profile: Profile, config: BenchmarkConfig, seed: int = 3) -> Outcome:
    sim = run_sim(agents, profile, config, Draws(seed, 0))
    seen = agents.log
    warp = run_warp(agents, profile, config, Draws(seed, 0))
    assert sim.error is None
    assert seen == agents.log
    assert sim == warp
    return sim


CACHED = BenchmarkConfig(streaming=True, cache_control="conversation", parallel_tools=True)


def test_agents_that_ask_the_same_at_one_instant_do_not_read_what_no_answer_has_begun_to_write() -> None:
    outcome = alike(Agents([[Step()], [Step()], [Step()]]), make_profile(**TIED), CACHED)
    assert [call.read_tokens for call in outcome.calls] == [0, 0, 0]
    assert [call.opened for call in outcome.calls] == [1, 1, 1]


def test_an_agent_that_asks_later_reads_what_the_first_wrote() -> None:
    outcome = alike(Agents([[Step()], [Step()]], starts_s=(0.0, 30.0)), make_profile(**TIED), CACHED)
    assert [call.read_tokens > 0 for call in outcome.calls] == [True, False]


def test_agents_in_step_have_equal_figures_turn_after_turn() -> None:
    outcome = alike(Agents([[Step(tools=2)] * 3] * 4, shared=False), make_profile(**TIED), CACHED)
    turns = {call.path.split("/")[1] for call in outcome.calls}
    for turn in turns:
        assert len({call.total_us for call in outcome.calls if call.path.endswith(turn)}) == 1


@pytest.mark.parametrize(
    ("pause_s", "opened"), [(4.9, [1, 0]), (5.0, [1, 0]), (5.000001, [1, 1]), (5.1, [1, 1]), (70.0, [1, 1])]
)
@pytest.mark.parametrize("seed", range(4))
def test_an_idle_connection_expires_in_the_same_microsecond(pause_s: float, opened: list[int], seed: int) -> None:
    outcome = alike(Agents([[Step(pause_s=pause_s), Step()]]), make_profile(), CACHED, seed)
    counted = [call.opened for call in outcome.calls]
    # At exactly 5 s the library compares floats, and either may come out; it must be the same in both worlds.
    assert counted == opened or pause_s in (5.0, 5.000001)


def test_a_profile_says_when_idle_connections_expire() -> None:
    profile = make_profile(idle_expiry_s=90.0)
    assert [call.opened for call in alike(Agents([[Step(pause_s=80.0), Step()]]), profile, CACHED).calls] == [1, 0]
    assert [call.opened for call in alike(Agents([[Step(pause_s=95.0), Step()]]), profile, CACHED).calls] == [1, 1]
    profile = make_profile(idle_expiry_s=10_000.0)  # longer than a server usually keeps one
    assert [call.opened for call in alike(Agents([[Step(pause_s=4000.0), Step()]]), profile, CACHED).calls] == [1, 0]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("patience_s", [0.0, 0.000001, 0.04, 0.08, 0.3, 0.5, 0.6, 0.9, 1.0, 1.1, 5.0])
def test_a_call_that_is_given_up_costs_its_connection_and_leaves_the_same_behind(
    patience_s: float, streaming: bool
) -> None:
    config = BenchmarkConfig(streaming=streaming, cache_control="conversation")
    alike(Agents([[Step(pause_s=1), Step(patience_s=patience_s), Step()]] * 2), make_profile(minimum_tokens=64), config)
    alike(Agents([[Step(patience_s=patience_s), Step()]] * 2), make_profile(**TIED), config)


@pytest.mark.parametrize("max_tokens", [1, 5, 10, 12, 16, 30])
def test_a_cut_answer_is_the_same_answer(max_tokens: int) -> None:
    plan = [Step(output_tokens=20, tools=2, max_tokens=max_tokens), Step(max_tokens=max_tokens), Step()]
    outcome = alike(Agents([plan]), make_profile(), CACHED)
    assert outcome.calls[0].output_tokens <= max_tokens


def test_more_calls_at_once_than_a_pool_keeps_leave_the_same_connections() -> None:
    plan = [Step(pause_s=1.0), Step()]
    alike(Agents([plan] * 120, shared=False), make_profile(), BenchmarkConfig())
    outcome = alike(Agents([plan] * 120, shared=False), make_profile(**TIED), BenchmarkConfig())
    assert outcome.run is not None
    assert outcome.run.connections_opened == 120 + 20


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_two_calls_at_one_instant_the_smaller_name_takes_the_idle_connection(order: str) -> None:
    async def rivals(lab: Lab) -> None:
        async def ask(name: str) -> None:
            chat = lab.chat(name=name)
            chat.user("Hello")
            await lab.complete(chat, expect=Script(5))

        await ask("first")
        async with asyncio.TaskGroup() as group:
            for name in order:
                group.create_task(ask(name))

    outcome = both(rivals, make_profile(), BenchmarkConfig(), Draws(1, 0))
    assert {call.path: call.opened for call in outcome.calls} == {"a/turn-0": 0, "b/turn-0": 1, "first/turn-0": 1}


def test_a_task_that_outlives_its_scenario_leaves_no_call_behind() -> None:
    async def forgetful(lab: Lab) -> None:
        async def stubborn() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                chat = lab.chat(name="late")
                chat.user("Is anybody there?")
                await lab.complete(chat, expect=Script(5))

        background = asyncio.create_task(stubborn())
        chat = lab.chat()
        chat.user("Hello")
        await lab.complete(chat, expect=Script(5))
        assert not background.done()

    assert [call.path for call in both(forgetful, make_profile(), CACHED, Draws(1, 0)).calls] == ["main/turn-0"]


def test_a_task_that_cancels_itself_hears_of_it_at_its_next_call() -> None:
    async def quitter(lab: Lab) -> None:
        chat = lab.chat()
        chat.user("Hello")
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await lab.complete(chat, expect=Script(5))
        except asyncio.CancelledError:
            task.uncancel()
        await asyncio.sleep(1)

    assert both(quitter, make_profile(), BenchmarkConfig(), Draws(1, 0)).calls == ()


def test_a_callback_that_raises_ends_no_run(caplog: pytest.LogCaptureFixture) -> None:
    async def clumsy(lab: Lab) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    both(clumsy, make_profile(), CACHED, Draws(1, 0))
    assert sum("ZeroDivisionError" in str(record.exc_info) for record in caplog.records) == 2


@pytest.mark.parametrize("pauses_s", [(1.0,) * 5, (1.0, 0.5, 1.0, 1.0, 0.25), (0.0,) * 5])
def test_tasks_that_wake_at_one_instant_take_turns_in_the_same_order(pauses_s: tuple[float, ...]) -> None:
    logs: list[list[str]] = []

    async def ties(lab: Lab) -> None:
        log: list[str] = []
        logs.append(log)

        async def wake(name: str, pause_s: float) -> None:
            for _ in range(3):
                await asyncio.sleep(pause_s)
                log.append(name)
                await asyncio.sleep(0)
                log.append(name)
                await lab._clock.sleep_until(lab.now_us() + 250_000)
                log.append(name)

        async with asyncio.TaskGroup() as group:
            for number, pause_s in enumerate(pauses_s):
                group.create_task(wake(f"{number}", pause_s))

    both(ties, make_profile(), CACHED, Draws(1, 0))
    assert logs[0] == logs[1]


steps = st.builds(
    Step,
    output_tokens=st.integers(1, 120),
    tools=st.sampled_from([0, 0, 1, 2, 3]),
    max_tokens=st.sampled_from([16_384, 16_384, 30, 8, 1]),
    patience_s=st.sampled_from([None, None, None, 0.0, 0.08, 0.25, 0.5, 0.75, 1.0, 2.5]),
    pause_s=st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0, 5.0, 6.0, 301.0]),
)
profiles: list[Callable[[], Profile]] = [
    lambda: make_profile(**TIED),
    lambda: make_profile(minimum_tokens=64),
    lambda: make_profile(**{**TIED, "lookback_blocks": 2, "idle_expiry_s": 1.0}),
]


@pytest.mark.slow
@given(
    plans=st.lists(st.lists(steps, min_size=1, max_size=4), min_size=1, max_size=5),
    shared=st.booleans(),
    starts_s=st.lists(st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0]), max_size=5).map(tuple),
    make=st.sampled_from(profiles),
    config=st.sampled_from(CONFIGS),
)
# Nothing is shrunk: a hundred runs of thirty calls each are minutes, and the failing plan is short as it is.
@settings(max_examples=80, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
def test_whatever_agents_do_is_the_same_in_sim_and_warp(
    plans: list[list[Step]],
    shared: bool,
    starts_s: tuple[float, ...],
    make: Callable[[], Profile],
    config: BenchmarkConfig,
) -> None:
    alike(Agents(plans, shared, starts_s), make(), config)


# A digest is the same wherever it is made

PRINT = """
from dataclasses import replace
from latlab.config import BenchmarkConfig
from latlab.harness.targets import load_target
from latlab.worlds.{world} import run_{world}
from mockllm.core.draws import Draws
from mockllm.profiles import load
config = BenchmarkConfig(True, "conversation", True)
profile = load("claude-sonnet-5")[0]
for run in range(3):
    print(run_{world}(load_target("tool_agent_wide").run, profile, config, Draws(5, run)))
"""


@pytest.mark.slow
def test_outcomes_are_the_same_in_every_process_whatever_its_hashes() -> None:
    printed = set()
    for world, seed in (("sim", "0"), ("sim", "1"), ("sim", "random"), ("warp", "0"), ("warp", "random")):
        done = subprocess.run(
            [sys.executable, "-c", PRINT.format(world=world)],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(done.stdout)
    assert len(printed) == 1
    assert printed.pop().count("RunRecord") == 3


def test_luck_follows_the_name_of_a_call_and_not_its_turn() -> None:
    """A draw is keyed by what it is for: another call before it changes nothing."""
    alone = alike(Agents([[Step()]], shared=False), make_profile(), BenchmarkConfig())
    among = alike(Agents([[Step()], [Step()], [Step()]], shared=False), make_profile(), BenchmarkConfig())
    assert alone.calls[0] in among.calls


def test_a_tool_latency_is_drawn_the_same_in_both_worlds() -> None:
    tool = Tool("look", "Looks.", {"type": "object"}, Lognormal(0.4, 0.5))

    async def looker(lab: Lab) -> None:
        chat = lab.chat(tools=[tool])
        chat.user("Look")
        reply = await lab.complete(chat, expect=Script(30, [("look", {"at": "ünïcode ✓", "n": 1.5})] * 3))
        chat.tool_results(await lab.run_tools(reply.tool_calls))
        await lab.complete(chat, expect=Script(30))

    in_turn = both(looker, make_profile(), BenchmarkConfig(), Draws(1, 0))
    at_once = both(looker, make_profile(), BenchmarkConfig(parallel_tools=True), Draws(1, 0))
    assert at_once.run is not None
    assert in_turn.run is not None
    assert at_once.run.total_us < in_turn.run.total_us
