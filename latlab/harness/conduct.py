"""Conducts a study from plan to reports: opens or resumes it, runs what is missing, and writes what came of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import latlab
from latlab.declaration import as_settings
from latlab.harness.executors import EXECUTORS
from latlab.harness.reporter.artifact import write_bytes
from latlab.harness.reporter.document import write
from latlab.harness.runner import carry_out, describe, failures_of, samples_of
from latlab.harness.store import Store
from latlab.harness.study import Study, StudyError, pace_of, study_id
from latlab.harness.summary import ArmSamples, summarise
from latlab.harness.wire_account import wire_account
from mockllm.core.profile import Profile, parse_profile

__all__ = ["Conditions", "conduct"]

_DATABASE = "study.db"
_MANIFEST = "manifest.json"
_SUMMARY = "summary.json"
_ECDF = "latency_ecdf.png"
_FOREST = "effects.png"
_FILES = (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", _MANIFEST, _SUMMARY, _ECDF, _FOREST)
_MANY_RUNS = 1000
"""From here on starting other processes pays for itself."""
_FEWEST_PLOTTED = 20
"""With fewer runs a curve shows more of its own steps than of the latencies."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a study is carried out, none of which may change a figure: where it is kept, by whom it is run, and whether a
    study of the same name is started again. `command` reproduces it."""

    out: Path
    executor: str | None
    fresh: bool
    command: str


def conduct(study: Study, conditions: Conditions, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Carry out `study` and return its summary, the contract's JSON object with what the reporters add.

    A finished study is not run again; an interrupted one goes on. Raises `StudyError`, `StoreError` or
    `UnwritableArtifactError`, in one line, and `InterruptedStudyError` on Ctrl-C.
    """
    name = study_id(study)
    folder = conditions.out / name
    if conditions.fresh:
        _clear(folder)
    store = Store(folder / _DATABASE)
    try:
        manifest = json.dumps(_manifest(name, study, conditions), indent=1)
        write_bytes(folder / _MANIFEST, f"{manifest}\n".encode())
        carry_out(study, store, EXECUTORS[conditions.executor or _executor_for(study)], progress)
        heading = _heading(name, study, conditions, store.digest(describe(study)))
        finished = _finished(folder, heading)
        if finished is not None:
            return finished
        samples = samples_of(study, store)
        failures = failures_of(study, store)
        account = {} if study.pace is None else {"wire": wire_account(study, store)}
    finally:
        store.close()
    summary = heading | summarise(samples, study.seed) | {"failures": failures} | account
    if study.runs >= _FEWEST_PLOTTED:
        _write_plots(folder, summary, samples)
    write(summary, folder / _SUMMARY)
    return summary


def _executor_for(study: Study) -> str:
    loops = study.runs + (study.plausible.profiles * study.plausible.runs if study.plausible else 0)
    return "processes" if study.pace is None and loops * len(study.arms) >= _MANY_RUNS else "inline"


def _heading(name: str, study: Study, conditions: Conditions, digest: str) -> dict[str, Any]:
    """What the summary says before any figure."""
    profile = parse_profile(study.profile_bytes.decode(), study.profile)
    folder = conditions.out / name
    plausible = study.plausible
    artifacts = [_SUMMARY, _DATABASE]
    if study.runs >= _FEWEST_PLOTTED:
        artifacts += [_ECDF, *([_FOREST] if len(study.arms) > 1 else [])]
    return {
        "study": name,
        "path": folder.as_posix(),
        "digest": digest,
        "world": study.world,
        **pace_of(study),
        "seed": study.seed,
        "profile": profile.name,
        "target": study.target.given,
        "runs": study.runs,
        "cache_start": study.arms[0].config.cache_start,
        "command": conditions.command,
        "plausible": {"profiles": plausible.profiles, "runs": plausible.runs} if plausible else None,
        "assumptions": _assumptions(profile),
        "scenario_kind": study.target.kind,
        "artifacts": [(folder / file).as_posix() for file in artifacts],
    }


def _assumptions(profile: Profile) -> list[dict[str, Any]]:
    """The parameters that no recording of this model gave: what every figure rests on besides the measured ones."""
    return [
        {"name": name, **parameter.model_dump(include={"value", "interval", "evidence", "reason", "source"})}
        for name, parameter in profile.parameters()
        if parameter.evidence != "measured" and parameter.interval is not None
    ]


def _manifest(name: str, study: Study, conditions: Conditions) -> dict[str, Any]:
    return {
        "study": name,
        "command": conditions.command,
        "target": {"name": study.target.name, "kind": study.target.kind, "given": study.target.given},
        "world": study.world,
        **pace_of(study),
        "profile": study.profile,
        "runs": study.runs,
        "seed": study.seed,
        "arms": [{"label": arm.label, "resolved": as_settings(arm.config)} for arm in study.arms],
        "versions": {
            "latlab": latlab.__version__,
            "python": platform.python_version(),
            "simpy": version("simpy"),
            "numpy": version("numpy"),
        },
    }


def _finished(folder: Path, heading: Mapping[str, Any]) -> dict[str, Any] | None:
    """The summary of a study that was finished before; its rows must still be those that it speaks of."""
    try:
        summary = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(summary, dict):
        return None
    if summary.get("digest") != heading["digest"]:
        raise StudyError(
            f"{folder / _DATABASE}: its rows are not those that {_SUMMARY} was made from; "
            "repeat the command with --fresh to start the study again"
        )
    kept = [artifact for artifact in heading["artifacts"] if (folder / Path(artifact).name).exists()]
    return {**summary, **heading, "artifacts": kept}


def _write_plots(folder: Path, summary: Mapping[str, Any], samples: list[ArmSamples]) -> None:
    from latlab.harness.reporter.plots import write_ecdf, write_forest

    title = f"{summary['target']} on {summary['profile']}, {summary['world']}, {summary['runs']} runs an arm"
    write_ecdf({sample.label: sample.metrics["total_s"] for sample in samples}, folder / _ECDF, title)
    if len(samples) > 1:
        write_forest(summary, folder / _FOREST)


def _clear(folder: Path) -> None:
    for name in _FILES:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StudyError(f"{folder / name}: cannot be removed: {error.strerror}; give another --out") from None
