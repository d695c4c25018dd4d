"""Who runs the runs: this process, or a pool of others. Which of them is never visible in the figures.

Work is handed out in batches of runs of one arm; a worker builds the study's world from its plan and imports the target
itself, so nothing but plain data crosses between processes.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from latlab.benchmarks.shipped import scenarios_folder
from latlab.config import BenchmarkConfig
from latlab.harness.loopback import loopback_only
from latlab.harness.store import RunKey
from latlab.harness.study import Pace, StudyError
from latlab.harness.targets import Target, load_target
from latlab.worlds.run import Outcome, World
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile, parse_profile

if TYPE_CHECKING:
    from latlab.worlds.mock_process import MockProcess

__all__ = ["EXECUTORS", "Batch", "Executor", "Finished", "Plan", "inline", "processes"]

BATCH = 25
"""Runs in one batch: enough that handing it over costs little, few enough that an interruption loses little."""
_CTRL_C_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker needs to know, all of it picklable: the target by what the user typed, the profile by its text."""

    target: str
    world: str
    profile: str
    profile_bytes: bytes
    configs: tuple[BenchmarkConfig, ...]
    seed: int
    toggles: tuple[str, ...]
    pace: Pace | None = None


class Batch(NamedTuple):
    """The runs `numbers` of one arm under one profile (plausible 0 is the profile as fitted)."""

    arm: int
    plausible: int
    numbers: tuple[int, ...]


Finished: TypeAlias = list[tuple[RunKey, Outcome]]
Executor: TypeAlias = Callable[[Plan, Sequence[Batch]], Generator[Finished, None, None]]
"""Carries out batches and yields what is finished, in any order and in any portions; closed early, it stops at once."""


class Bench:
    """A study's plan, ready to run: the target imported and profiles drawn, each once a process.

    In real time it needs the `server` that answers, which whoever made it ends.
    """

    def __init__(self, plan: Plan, server: MockProcess | None = None) -> None:
        self._plan = plan
        self._target = load_target(plan.target)
        self._profiles: dict[int, Profile] = {0: parse_profile(plan.profile_bytes.decode(), plan.profile)}
        self._world = _world_of(plan, self._target, server)

    def run(self, batch: Batch) -> Iterator[tuple[RunKey, Outcome]]:
        """The outcomes of `batch`, one by one, up to one after which no other run can end either."""
        config = self._plan.configs[batch.arm]
        profile = self._profile(batch.plausible)
        for number in batch.numbers:
            draws = Draws(self._plan.seed, number, batch.plausible)
            outcome = self._world(self._target.run, profile, config, draws)
            yield RunKey(batch.arm, batch.plausible, number), outcome
            if outcome.hopeless:
                return

    def _profile(self, plausible: int) -> Profile:
        if plausible not in self._profiles:
            self._profiles[plausible] = self._profiles[0].plausible(self._plan.seed, plausible)
        return self._profiles[plausible]


def _world_of(plan: Plan, target: Target, server: MockProcess | None) -> World:
    # Worlds are imported where they are used: sim needs neither the SDK nor the server.
    if plan.world == "sim":
        from latlab.worlds.sim import run_sim

        # The shipped scenarios draw from the lab alone, and a test holds them to it.
        return partial(run_sim, seeded=target.file.parent != scenarios_folder())
    if plan.pace is not None:
        from latlab.worlds.wire import run_wire, run_wire_agent

        assert server is not None
        if target.kind == "agent":
            return partial(run_wire_agent, server, toggles=plan.toggles)
        return partial(run_wire, server, sdk=plan.pace.sdk)
    from latlab.worlds.warp import run_warp, run_warp_agent

    return partial(run_warp_agent, toggles=plan.toggles) if target.kind == "agent" else run_warp


def _server_of(plan: Plan) -> AbstractContextManager[MockProcess | None]:
    """The mock in a process of its own where a study in real time asks it."""
    if plan.pace is None:
        return nullcontext()
    from latlab.worlds.mock_process import mock_process

    return mock_process(plan.profile_bytes, plan.seed, plan.pace.speed)


def inline(plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
    """Run everything here, one run after the other."""
    with loopback_only(), _server_of(plan) as server:
        bench = Bench(plan, server)
        # What was loaded so far is no garbage; looking through it again and again would take a tenth of the time.
        gc.freeze()
        try:
            with _ctrl_c_between_runs() as stop_if_asked:
                for batch in batches:
                    for finished in bench.run(batch):
                        yield [finished]
                        stop_if_asked()
        finally:
            gc.unfreeze()


@contextmanager
def _ctrl_c_between_runs() -> Iterator[Callable[[], None]]:
    """Ctrl-C waits for the end of the run that goes on; what is yielded raises it there.

    A run that is cut in two leaves tasks and coroutines behind. Pressed again, or where that run goes on for another
    second, Ctrl-C waits no more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    timers: list[threading.Timer] = []

    def asked(*_: object) -> None:
        if timers:
            raise KeyboardInterrupt
        again = threading.Timer(_CTRL_C_PATIENCE_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        timers.append(again)
        again.start()

    def stop_if_asked() -> None:
        if timers:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield stop_if_asked
        stop_if_asked()
    finally:
        for timer in timers:
            timer.cancel()
        signal.signal(signal.SIGINT, before)


def processes(plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
    """Run batches in a pool of freshly started processes, one a core."""
    workers = min(os.cpu_count() or 1, len(batches))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (plan,))
    others = set(multiprocessing.active_children())
    try:
        with _ctrl_c_held_back():
            waiting: set[Future[Finished]] = {pool.submit(_run_batch, batch) for batch in batches}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=_is_broken):  # what was finished comes before the news of a dead worker
                yield future.result()
    except BrokenProcessPool:
        raise StudyError(
            "a worker process ended abruptly; what was finished is kept, repeat the command to go on"
        ) from None
    except BaseException:
        # Nobody waits for what still runs, and it might never end.
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _is_broken(future: Future[Finished]) -> bool:
    return future.exception() is not None


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C, which is the parent's to handle; the parent sees it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


EXECUTORS: dict[str, Executor] = {"inline": inline, "processes": processes}

_bench: Bench | None = None


def _start_worker(plan: Plan) -> None:
    global _bench  # a pool's worker has no other place for what it built once
    sys.stdout = sys.stderr  # what a scenario prints has no place in the object on standard output
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with loopback_only():
        _bench = Bench(plan)
    gc.freeze()  # as in `inline`


def _end_with_the_parent() -> None:
    """A pool tells its workers to end; a parent that was killed tells them nothing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_batch(batch: Batch) -> Finished:
    assert _bench is not None
    with loopback_only():
        return list(_bench.run(batch))
