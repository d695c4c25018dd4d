"""What the commands do on a terminal: carry out a plan with a progress bar, and print what came of it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO

from latlab.harness.conduct import Conditions, conduct
from latlab.harness.executors import EXECUTORS
from latlab.harness.planning import DEFAULT_OUT, DEFAULT_SEED, DEMO_COMMAND, Asked, command_of, plan_demo, plan_study
from latlab.harness.study import Study, StudyError, pace_of, study_id

__all__ = ["demo", "run"]


def run(asked: Asked, *, as_json: bool, dry_run: bool, fresh: bool) -> None:
    """`latlab run`: carry out what was asked and print it, or with `dry_run` only say what that would be."""
    if asked.executor is not None and asked.executor not in EXECUTORS:
        raise StudyError(f"--executor {asked.executor}: no such executor; there are {', '.join(EXECUTORS)}")
    with _standard_output_kept():
        study = plan_study(asked)
    conditions = Conditions(Path(asked.out), asked.executor, fresh, command_of(asked, study))
    if dry_run:
        _print_plan(study, conditions, as_json=as_json)
    else:
        _carry_out(study, conditions, as_json=as_json)


def demo(seed: int, out: str, *, as_json: bool, fresh: bool) -> None:
    """`latlab demo`: the main question on the embedded profile."""
    command = DEMO_COMMAND + (f" --seed {seed}" if seed != DEFAULT_SEED else "")
    command += f" --out {shlex.quote(out)}" if out != DEFAULT_OUT else ""
    _carry_out(plan_demo(seed), Conditions(Path(out), None, fresh, command), as_json=as_json)


def _carry_out(study: Study, conditions: Conditions, *, as_json: bool) -> None:
    with _standard_output_kept(), _progress(study) as progress:
        summary = conduct(study, conditions, progress)
    if as_json:
        from latlab.harness.reporter.document import to_json

        print(to_json(summary))  # noqa: T201  # standard output is the contract
        return
    from rich.console import Console

    from latlab.harness.reporter.terminal import render

    render(summary, Console())


def _print_plan(study: Study, conditions: Conditions, *, as_json: bool) -> None:
    loops = study.plausible
    plan = {
        "study": study_id(study),
        "path": (conditions.out / study_id(study)).as_posix(),
        "target": study.target.given,
        "world": study.world,
        "profile": study.profile,
        "seed": study.seed,
        "runs": study.runs,
        **pace_of(study),
        "arms": [arm.label for arm in study.arms],
        "plausible": {"profiles": loops.profiles, "runs": loops.runs} if loops else None,
        "runs_in_all": len(study.arms) * (study.runs + (loops.profiles * loops.runs if loops else 0)),
        "command": conditions.command,
    }
    if as_json:
        print(json.dumps(plan, indent=2))  # noqa: T201  # what the command prints
        return
    for key, value in plan.items():
        print(f"{key:12} {'; '.join(value) if isinstance(value, list) else value}")  # noqa: T201  # what the command prints


def _standard_output_kept() -> redirect_stdout[TextIO]:
    """What a scenario prints goes to standard error: standard output holds the result and nothing else."""
    return redirect_stdout(sys.stderr)


@contextmanager
def _progress(study: Study) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error where a person watches; elsewhere a line now and then would only be in the way."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{study.target.name}: {len(study.arms)} arms in {study.world}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
