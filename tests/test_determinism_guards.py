"""The rules that make a study reproducible, each held by one small test that needs neither sockets nor the SDK.

tests/mutations breaks each rule on purpose and expects the test that is named for it to turn red.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from profiles_for_tests import make_profile

from latlab import Lab, Script, Tool
from latlab.client import CallRecord
from latlab.config import BenchmarkConfig
from latlab.harness.executors import Batch, Plan, inline
from latlab.harness.store import RunKey, Store
from latlab.harness.study import Arm, Study, study_id
from latlab.harness.targets import load_target
from latlab.worlds.run import Outcome
from latlab.worlds.sim import run_sim
from mockllm.clock.sim_loop import SimLoop
from mockllm.core.distributions import Constant
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.request import Prefix, Request, TokenCounter, scope, text_block
from mockllm.core.timeline import Service
from mockllm.emulator.admission import Emulator
from mockllm.profiles import load

TESTS = Path(__file__).resolve().parent
PROFILE = make_profile()
CACHED = BenchmarkConfig(cache_control="conversation")


async def ask(lab: Lab, name: str) -> None:
    chat = lab.chat(system=lab.text("system", 2000), name=name)
    chat.user(lab.text(name, 100))
    await lab.complete(chat, expect=Script(20))


async def crowd(lab: Lab) -> None:
    """A first call, which leaves one idle connection, and then five at one instant, out of the order of their names."""
    await ask(lab, "first")
    await asyncio.gather(*[ask(lab, name) for name in ("c", "a", "e", "b", "d")])


def sim(run: int = 0, config: BenchmarkConfig = CACHED) -> Outcome:
    return run_sim(crowd, PROFILE, config, Draws(1, run))


# Luck


def test_a_call_keeps_its_luck_in_whatever_order_calls_are_made() -> None:
    draws = Draws(1, 0)
    forwards = {path: draws.uniforms("service", path) for path in ("a", "b", "c")}
    backwards = {path: draws.uniforms("service", path) for path in ("c", "b", "a")}
    assert forwards == backwards


def test_whether_a_call_meets_a_spike_shifts_none_of_its_other_draws() -> None:
    decoding = set()
    for probability in (0.0, 1.0):
        timeline = Service(make_profile(probability=probability)).plan(Draws(1, 0), Identity("a"), 1000, 0, 500)
        decoding.add(timeline.end_us - timeline.first_us)
    assert len(decoding) == 1


def test_what_is_drawn_is_whole_microseconds() -> None:
    timeline = Service(PROFILE).plan(Draws(1, 0), Identity("a"), 1000, 0, 500)
    assert [type(timeline.first_us), type(timeline.end_us)] == [int, int]


def test_more_draws_of_a_scenario_shift_none_of_its_others() -> None:
    drawn = []

    async def scenario(lab: Lab) -> None:
        if lab.config.streaming:
            lab.uniforms("more")
        drawn.append(lab.uniforms("gap"))

    for streaming in (False, True):
        run_sim(scenario, PROFILE, BenchmarkConfig(streaming=streaming), Draws(1, 0))
    assert drawn[0] == drawn[1]


def test_tokens_that_are_read_from_the_cache_take_their_own_time() -> None:
    service = Service(make_profile(spike=None, intercept_s=0.5, cached_s_per_1k=0.001))
    none, many = (service.plan(Draws(1, 0), Identity("a"), 0, cached, 1).first_us for cached in (0, 100_000))
    assert many / none == pytest.approx(1.2, abs=1e-5)


# One instant


def test_requests_of_one_instant_are_admitted_in_the_order_of_their_names() -> None:
    admitted = []

    def speak(request: Request) -> Script:
        admitted.append(request.identity.path)
        return Script(1)

    loop = SimLoop()  # type: ignore[abstract]  # it leaves out what asyncio never asks of it
    emulator = Emulator(PROFILE, Draws(1, 0), loop, speak)
    prefix = Prefix(scope("test-model"))
    prefix.append(text_block("user", "Is it late?", TokenCounter(PROFILE.tokens)))

    async def arrive() -> None:
        names = ("c", "a", "d", "b")
        requests = [Request(Identity(name), "test-model", prefix, 1, (), 10, stream=False) for name in names]
        await asyncio.gather(*map(emulator.admit, requests))

    loop.run_until_complete(arrive())
    assert admitted == ["a", "b", "c", "d"]


def test_of_calls_at_one_instant_the_first_by_name_takes_the_idle_connection() -> None:
    opened = [call.path for call in sim().calls if call.opened]
    assert opened == ["b/turn-0", "c/turn-0", "d/turn-0", "e/turn-0", "first/turn-0"]


def test_answers_that_end_at_one_instant_are_handed_over_in_the_order_of_their_names() -> None:
    answered = []
    no_luck = {"sigma": 0.0, "spike": None, "rate_cv": 0.0, "setup_sigma": 0.0, "tokens_per_s": 80.0}

    async def scenario(lab: Lab) -> None:
        async def say(name: str, start_s: float, tokens: int) -> None:
            await asyncio.sleep(start_s)
            chat = lab.chat(name=name)
            chat.user("Is it late?")
            await lab.complete(chat, expect=Script(tokens))
            answered.append((name, lab.now_us()))

        # A token takes 1/80 s, so b, which is the first to ask, ends with a.
        await asyncio.gather(say("b", 0.0, 101), say("a", 0.5, 61))

    run_sim(scenario, make_profile(**no_luck), BenchmarkConfig(), Draws(1, 0))
    (first, first_us), (second, second_us) = answered
    assert first_us == second_us
    assert (first, second) == ("a", "b")


# Time


def test_a_tool_takes_the_latency_that_was_drawn_to_the_microsecond() -> None:
    took_us = []
    tool = Tool("look", "looks", {"type": "object"}, Constant(0.1234567))

    async def scenario(lab: Lab) -> None:
        chat = lab.chat(tools=[tool])
        chat.user("Look.")
        reply = await lab.complete(chat, expect=Script(50, [("look", {})]))
        start_us = lab.now_us()
        await lab.run_tools(reply.tool_calls)
        took_us.append(lab.now_us() - start_us)

    run_sim(scenario, PROFILE, BenchmarkConfig(), Draws(1, 0))
    assert took_us == [123_457]


@pytest.mark.parametrize("timer_us", [500_000, 1_000_000])
def test_a_sleep_passes_no_timer_that_was_set_before_it(timer_us: int) -> None:
    log = []
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here

    async def sleep() -> None:
        loop.call_at(timer_us / 1e6, lambda: log.append(("timer", loop.now_us())))
        await loop.sleep_until(1_000_000)
        log.append(("slept", loop.now_us()))

    loop.run_until_complete(sleep())
    assert log == [("timer", timer_us), ("slept", 1_000_000)]


@pytest.mark.parametrize("where", ["ready", "gate"])
def test_a_sleep_lets_the_others_of_its_instant_act_in_it(where: str) -> None:
    acted_us = []
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here

    async def act() -> None:
        if where == "gate":
            await loop.settle(("act", 0))
        acted_us.append(loop.now_us())

    async def sleep() -> None:
        if where == "gate":
            await asyncio.sleep(0)  # by when `act`, which had to wait for this task, is at the gate
        await loop.sleep_until(1_000_000)

    async def both() -> None:
        await asyncio.gather(*((act(), sleep()) if where == "gate" else (sleep(), act())))

    loop.run_until_complete(both())
    assert acted_us == [0]


# One run is one world


def test_a_run_is_the_same_whatever_ran_before_it() -> None:
    async def late(lab: Lab) -> None:
        await asyncio.sleep(60)  # by when whatever another run kept could be read
        await ask(lab, "late")

    alone = run_sim(late, PROFILE, CACHED, Draws(1, 7))
    sim()
    assert run_sim(late, PROFILE, CACHED, Draws(1, 7)) == alone


def test_a_run_is_the_same_in_whatever_batch_it_is_made() -> None:
    profile, content = load("claude-sonnet-5")
    plan = Plan("simple_qa", "sim", profile.name, content, (BenchmarkConfig(),), 1, ())
    together = [run for portion in inline(plan, [Batch(0, 0, (0, 1, 2))]) for run in portion]
    apart = [run for portion in inline(plan, [Batch(0, 0, (2,)), Batch(0, 0, (0, 1))]) for run in portion]
    assert sorted(together) == sorted(apart)


# The record


def _stored(folder: Path, finished: Iterable[tuple[RunKey, Outcome]], name: str = "study.db") -> str:
    store = Store(folder / name)
    for run in finished:
        store.add([run])
    digest = store.digest("a study")
    store.close()
    return digest


def _finished() -> list[tuple[RunKey, Outcome]]:
    return [(RunKey(0, 0, run), sim(run)) for run in range(3)]


def test_a_digest_is_the_same_in_whatever_order_runs_arrive(tmp_path: Path) -> None:
    finished = _finished()
    assert _stored(tmp_path, finished, "one.db") == _stored(tmp_path, reversed(finished), "other.db")


def test_what_is_stored_is_what_was_measured(tmp_path: Path) -> None:
    finished = _finished()
    _stored(tmp_path, finished)
    store = Store(tmp_path / "study.db")
    runs = [(run.key, run.figures) for run in store.runs()]
    calls = [(arm, run, tuple(call)) for arm, run, call in store.calls()]
    store.close()
    assert runs == [(key, outcome.run) for key, outcome in finished]
    assert calls == [(key.arm, key.run, tuple(call)) for key, outcome in finished for call in outcome.calls]


@pytest.mark.parametrize("figure", CallRecord._fields)
def test_a_digest_covers_every_figure_of_a_call(tmp_path: Path, figure: str) -> None:
    key, outcome = _finished()[0]
    first, *others = outcome.calls
    figures = first._asdict()
    figures[figure] += "-2" if figure == "path" else 2
    edited = outcome._replace(calls=(CallRecord(**figures), *others))
    assert _stored(tmp_path, [(key, outcome)], "one.db") != _stored(tmp_path, [(key, edited)], "other.db")


_RECORD = """
import sys
from pathlib import Path
import test_determinism_guards as guards
finished = guards._finished()
print([outcome.calls for _, outcome in finished])
print(guards._stored(Path(sys.argv[1]), finished))
"""


def test_the_order_of_hashes_changes_nothing(tmp_path: Path) -> None:
    records = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}
        command = [sys.executable, "-c", _RECORD, str(tmp_path / seed)]
        records.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert records[0] == records[1]


def test_a_study_is_named_by_the_files_that_its_target_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "question.py").write_text("TEXT = 'Is it late?'\n")
    (tmp_path / "mine.py").write_text("import question\n\nasync def run(client, config):\n    print(question.TEXT)\n")
    monkeypatch.setattr(sys, "path", [*sys.path])  # which loading a target adds to
    target = load_target(str(tmp_path / "mine.py"))
    study = Study(target, "warp", "test", b"", (Arm("baseline", {}, BenchmarkConfig()),), 1, 1, None, ())
    before = study_id(study)
    (tmp_path / "question.py").write_text("TEXT = 'Is it early?'\n")
    assert study_id(study) != before
