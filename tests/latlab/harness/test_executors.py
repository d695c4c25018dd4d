from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from studies_for_tests import environment, scenario_file, write_profile

from latlab.declaration import configure
from latlab.harness import executors
from latlab.harness.executors import Batch, Executor, Plan, inline, processes
from latlab.harness.store import RunKey
from latlab.harness.study import Pace, StudyError
from latlab.worlds.run import Outcome
from mockllm.core.profile import ProfileError

BATCHES = [Batch(arm, plausible, numbers) for arm in (0, 1) for plausible in (0, 1) for numbers in ((0, 1), (2,))]
DIES_ONCE = """
import os, pathlib
folder = pathlib.Path({folder!r})
number = int(lab.uniforms('which')[0] * 1e9)
if len(list(folder.iterdir())) > 3:
    os.kill(os.getpid(), 9)
(folder / str(number)).touch()
"""


@pytest.fixture(autouse=True)
def _path_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def a_plan(folder: Path, body: str | None = None, world: str = "sim") -> Plan:
    folder.mkdir(exist_ok=True)
    profile = write_profile(folder / "p.toml").read_bytes()
    configs = tuple([configure({"streaming": streaming}) for streaming in (False, True)])
    return Plan(str(scenario_file(folder / "mine", body)), world, "p.toml", profile, configs, 7, ("streaming",))


def carried_out(executor: Executor, plan: Plan, batches: Sequence[Batch]) -> dict[RunKey, Outcome]:
    return {key: outcome for portion in executor(plan, batches) for key, outcome in portion}


def test_inline_carries_out_every_run_once_and_hands_each_over_as_it_is_finished(tmp_path: Path) -> None:
    portions = list(inline(a_plan(tmp_path), BATCHES))
    assert [len(portion) for portion in portions] == [1] * 12
    keys = [key for ((key, _),) in portions]
    assert sorted(keys) == sorted(RunKey(one.arm, one.plausible, n) for one in BATCHES for n in one.numbers)


def test_a_runs_figures_do_not_depend_on_what_was_run_before_it(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    assert carried_out(inline, plan, BATCHES) == carried_out(inline, plan, BATCHES[::-1])
    alone = carried_out(inline, plan, [Batch(1, 1, (2,))])
    assert alone[RunKey(1, 1, 2)] == carried_out(inline, plan, BATCHES)[RunKey(1, 1, 2)]


def test_runs_profiles_seeds_and_arms_differ(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    outcomes = carried_out(inline, plan, BATCHES)
    assert len({outcome.run for outcome in outcomes.values()}) == len(outcomes)
    other = carried_out(inline, replace(plan, seed=8), BATCHES)
    assert not {outcome.run for outcome in outcomes.values()} & {outcome.run for outcome in other.values()}


@pytest.mark.slow
@pytest.mark.parametrize("world", ["sim", "warp"])
def test_processes_measure_what_inline_measures_in_any_order(tmp_path: Path, world: str) -> None:
    plan = a_plan(tmp_path, world=world)
    assert carried_out(processes, plan, BATCHES[::-1]) == carried_out(inline, plan, BATCHES)


def test_inline_stops_a_batch_at_a_run_that_shows_that_no_run_can_end(tmp_path: Path) -> None:
    portions = list(inline(a_plan(tmp_path, "await asyncio.Event().wait()"), [Batch(0, 0, tuple(range(25)))]))
    ((_, outcome),) = portions[0]
    assert len(portions) == 1
    assert outcome.hopeless


@pytest.mark.slow
def test_a_worker_stops_a_batch_at_a_run_that_shows_that_no_run_can_end(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, "await asyncio.Event().wait()")
    (portion,) = processes(plan, [Batch(0, 0, tuple(range(25)))])
    assert [key for key, _ in portion] == [RunKey(0, 0, 0)]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_one_line_after_what_was_finished(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    plan = a_plan(tmp_path, DIES_ONCE.format(folder=str(seen)))
    kept: dict[RunKey, Outcome] = {}

    def keep(portions: Iterator[list[tuple[RunKey, Outcome]]]) -> None:
        for portion in portions:
            kept.update(portion)

    with pytest.raises(StudyError, match="a worker process ended abruptly; what was finished is kept"):
        keep(processes(plan, [Batch(0, 0, (n,)) for n in range(30)]))
    assert kept
    assert all(outcome.error is None for outcome in kept.values())
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.parametrize("executor", [inline, processes])
def test_no_run_reaches_another_host(tmp_path: Path, executor: Executor) -> None:
    # A datagram socket of an address that is nobody's (RFC 5737): nothing leaves even where nobody refuses.
    body = "import socket\nwith socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out: out.connect(('192.0.2.1', 9))"
    found = [outcome for portion in executor(a_plan(tmp_path, body), BATCHES[:1]) for _, outcome in portion]
    assert "has no network" in str(found[0].error)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    body = f"import os, pathlib, time\n(pathlib.Path({str(seen)!r}) / str(os.getpid())).touch()\ntime.sleep(0.02)"
    file = scenario_file(tmp_path / "mine", body)
    command = [sys.executable, "-m", "latlab", "run", str(file), "--runs", "5000", "--executor", "processes"]
    deadline = time.monotonic() + 60
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL) as parent:
        while not list(seen.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)  # between two looks
        parent.kill()
    workers = [int(found.name) for found in seen.iterdir()]
    assert workers
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, workers))


def interrupt(after_s: float) -> threading.Timer:
    """Ctrl-C to this very process, in a while."""
    timer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def test_ctrl_c_waits_for_the_run_that_goes_on(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    ended = tmp_path / "ended"
    body = f"import os, pathlib, signal\nos.kill(os.getpid(), signal.SIGINT)\npathlib.Path({str(ended)!r}).touch()"
    found: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(portion for portion in inline(a_plan(tmp_path, body), BATCHES))
    assert ended.exists()
    assert len(found) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_in_the_last_run_is_told_too(tmp_path: Path) -> None:
    body = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)"
    with pytest.raises(KeyboardInterrupt):
        list(inline(a_plan(tmp_path, body), [Batch(0, 0, (0,))]))


@pytest.mark.parametrize("stuck", ["time.sleep(60)", "while True: pass"])
def test_ctrl_c_does_not_wait_for_a_run_that_is_stuck(
    tmp_path: Path, stuck: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "_CTRL_C_PATIENCE_S", 0.05)
    timer = interrupt(0.2)
    with pytest.raises(KeyboardInterrupt):
        list(inline(a_plan(tmp_path, f"import time\n{stuck}"), BATCHES))
    timer.join()


@pytest.mark.slow
def test_ctrl_c_is_nothing_to_a_worker(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nawait asyncio.sleep(1)")
    (portion,) = processes(plan, [Batch(0, 0, (0, 1))])
    assert [outcome.error for _, outcome in portion] == [None, None]


@pytest.mark.slow
def test_a_pool_that_is_closed_early_ends_workers_that_never_would(tmp_path: Path) -> None:
    # The second run of all is a loop without any await, which no clock can see.
    plan = a_plan(
        tmp_path, f"import os\ntry:\n    os.mkdir({str(tmp_path / 'first')!r})\nexcept OSError:\n    while 1: pass"
    )
    portions = processes(plan, [Batch(0, 0, (n,)) for n in range(6)])
    assert len(next(portions)) == 1
    portions.close()
    assert not multiprocessing.active_children()


def test_a_plan_whose_profile_is_broken_is_refused_before_any_run(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    broken = replace(plan, profile_bytes=b"name = 1")
    with pytest.raises(ProfileError):
        next(inline(broken, BATCHES))


def servers_of(seed: int) -> list[int]:
    """The mocks of that seed which run on this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has just ended, or is no process
            continue
        if b"mockllm" in words and b"--seed" in words and words[words.index(b"--seed") + 1] == str(seed).encode():
            found.append(int(folder.name))
    return found


def in_real_time(folder: Path, seed: int, body: str | None = None) -> Plan:
    return replace(a_plan(folder, body, world="wire"), seed=seed, pace=Pace(200.0, sdk=False))


def test_runs_in_real_time_have_one_mock_which_ends_with_them(tmp_path: Path) -> None:
    seed = 10_000_019 + os.getpid()
    portions = inline(in_real_time(tmp_path, seed), [Batch(0, 0, (0, 1)), Batch(1, 0, (0,))])
    first = next(portions)
    assert len(servers_of(seed)) == 1
    rest = list(portions)
    assert not servers_of(seed)
    outcomes = [outcome for portion in (first, *rest) for _, outcome in portion]
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert [len(outcome.served) for outcome in outcomes] == [2, 2, 2]


def test_the_mock_ends_where_a_study_is_closed_early_or_interrupted(tmp_path: Path) -> None:
    seed = 20_000_003 + os.getpid()
    portions = inline(in_real_time(tmp_path, seed), [Batch(0, 0, (0, 1))])
    next(portions)
    portions.close()
    assert not servers_of(seed)
    body = "import os, signal\nif lab.now_us(): os.kill(os.getpid(), signal.SIGINT)"
    with pytest.raises(KeyboardInterrupt):
        list(inline(in_real_time(tmp_path / "other", seed, body), [Batch(0, 0, (0, 1))]))
    assert not servers_of(seed)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_no_mock_is_left_however_its_study_ends(tmp_path: Path, stop: signal.Signals) -> None:
    seed = 30_000_001 + os.getpid() + stop
    file = scenario_file(tmp_path / "mine", "await asyncio.sleep(1000)")
    command = [sys.executable, "-m", "latlab", "run", str(file), "--world", "wire", "--seed", str(seed)]
    deadline = time.monotonic() + 120
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as parent:
        while not servers_of(seed) and time.monotonic() < deadline:
            time.sleep(0.02)  # between two looks
        assert servers_of(seed)
        parent.send_signal(stop)
        _, said = parent.communicate()
    while servers_of(seed) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not servers_of(seed)
    assert parent.returncode == (130 if stop is signal.SIGINT else -stop)
    assert len(said.splitlines()) == (stop is signal.SIGINT)
