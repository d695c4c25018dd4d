"""How fast the lab simulates, beside SimPy with nothing around it.

The lab carries out a whole study of tool_agent in sim, in this process: scenario, emulator, accounting, store, digest,
statistics. The reference does the same shape in bare SimPy: an Environment a run, a process for every call
and every tool run, the same number of timers at the same times, and nothing else. Both run here, in turn, so the ratio
does not depend on the machine or on what else it does.

Run by `make bench`. Prints calls a second for both, and their ratio for each round.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import simpy

from latlab.harness.executors import inline
from latlab.harness.planning import Asked, plan_study
from latlab.harness.runner import carry_out, describe, samples_of
from latlab.harness.store import Store
from latlab.harness.study import Study, study_id
from latlab.harness.summary import summarise
from latlab.worlds.sim import run_sim
from mockllm.core.draws import Draws
from mockllm.core.profile import parse_profile

LEAST_RATIO = 1 / 8


class Turn(NamedTuple):
    """One call and the tool runs that followed it, as waits in whole microseconds."""

    call: tuple[int, ...]
    tools: tuple[int, ...]


def shapes(study: Study) -> list[list[Turn]]:
    """What every run of `study` waits for, read off the runs themselves."""
    profile = parse_profile(study.profile_bytes.decode(), study.profile)
    config = study.arms[0].config
    found = []
    for number in range(study.runs):
        outcome = run_sim(study.target.run, profile, config, Draws(study.seed, number))
        assert outcome.run is not None, outcome.error
        calls = outcome.calls
        ends = [call.start_us + call.total_us for call in calls]
        starts = [call.start_us for call in calls[1:]] + [outcome.run.total_us]
        left = outcome.run.tool_calls
        turns = []
        for index, call in enumerate(calls):
            waits = (call.connect_us, call.total_us - call.connect_us) if call.opened else (call.total_us,)
            # The tool runs of the whole run, spread over its gaps: their number decides the work, not their length.
            tools = 0 if index == len(calls) - 1 else left // (len(calls) - 1 - index)
            left -= tools
            gap_us = starts[index] - ends[index]
            turns.append(Turn(waits, tuple([gap_us // max(tools, 1)] * tools)))
        found.append(turns)
    return found


def run_bare(runs: list[list[Turn]]) -> None:
    """The reference: the same processes and timers in SimPy alone."""
    for turns in runs:
        environment = simpy.Environment(initial_time=0)
        environment.process(agent(environment, turns))
        environment.run()


def agent(environment: simpy.Environment, turns: list[Turn]) -> Generator[simpy.Event, None, None]:
    for turn in turns:
        yield environment.process(waits(environment, turn.call))
        for tool in turn.tools:
            yield environment.process(waits(environment, (tool,)))


def waits(environment: simpy.Environment, times: tuple[int, ...]) -> Generator[simpy.Event, None, None]:
    for duration in times:
        yield environment.timeout(duration)


def run_study(study: Study) -> None:
    """The lab: what `latlab run` does for a planned study inline, but for its two pictures and two small files."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / study_id(study) / "study.db")
        try:
            carry_out(study, store, inline, lambda done, total: None)
            digest = store.digest(describe(study))
            summary = summarise(samples_of(study, store), study.seed)
        finally:
            store.close()
        json.dumps({"digest": digest, **summary})


def seconds(work: Callable[..., None], *arguments: object) -> float:
    """How long `work` takes, with nothing for the garbage collector to look through but what it makes itself.

    Otherwise whoever runs second pays for what the first left behind, and the reference would look slower than it is.
    """
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    work(*arguments)
    taken = time.perf_counter() - began
    gc.unfreeze()
    return taken


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--profile", action="store_true", help="print the top lines of a profile instead")
    asked = options.parse_args()
    study = plan_study(Asked("tool_agent", runs=asked.runs))
    run_study(plan_study(Asked("tool_agent", runs=100)))  # imports, caches
    if asked.profile:
        profiler = cProfile.Profile()
        profiler.runcall(run_study, study)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        return 0
    runs = shapes(study)
    calls = sum(len(turns) for turns in runs)
    tools = sum(len(turn.tools) for turns in runs for turn in turns)
    print(f"{asked.runs} runs, {calls} calls, {tools} tool runs")
    ratios = []
    for _ in range(asked.rounds):
        bare, lab = seconds(run_bare, runs), seconds(run_study, study)
        ratios.append(bare / lab)
        print(f"calls/s: bare SimPy {calls / bare:9,.0f}   latlab run {calls / lab:9,.0f}   ratio {bare / lab:.3f}")
    ratio = statistics.median(ratios)
    print(f"ratio {ratio:.3f} of bare SimPy (median of {asked.rounds}; wanted: {LEAST_RATIO:.3f} or more)")
    return 0 if ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
