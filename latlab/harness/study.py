"""A study: what is run, in which arms, how often, and the name that all of it together determines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import TypeAlias

import latlab
import mockllm
from latlab import LatlabError
from latlab.config import BenchmarkConfig
from latlab.declaration import as_settings, configure
from latlab.harness.targets import Target

__all__ = [
    "Arm",
    "Pace",
    "Plausible",
    "Settings",
    "Study",
    "StudyError",
    "each_alone_and_all",
    "every_combination",
    "pace_of",
    "source_files",
    "study_id",
    "words",
]

Settings: TypeAlias = Mapping[str, bool | str]
_STACK = ("aiohttp", "anthropic", "httpx2")
"""Installed packages that have a say in the figures of every world but sim."""
_MOST_FILES = 5000
_MOST_BYTES = 1 << 26
_NOT_SOURCE = {"__pycache__", "node_modules", "site-packages", "results", "build", "dist"}


class StudyError(LatlabError):
    """A study that cannot be set up or carried out."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One configuration of a study. `difference` is how it departs from the baseline, which is the first arm."""

    label: str
    difference: Settings
    config: BenchmarkConfig


@dataclass(frozen=True, slots=True)
class Plausible:
    """The outer loop over plausible profiles: how many are drawn, and the runs an arm under each."""

    profiles: int
    runs: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How a study in real time is measured: how many times faster than the profile's its time runs, and whether
    scenarios call through the SDK or by the raw reader (an agent of the user's own always has the SDK)."""

    speed: float
    sdk: bool


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that determines a study's figures. `toggles` are those that the user set or varied; only a study in
    real time has a `pace`."""

    target: Target
    world: str
    profile: str
    profile_bytes: bytes
    arms: tuple[Arm, ...]
    runs: int
    seed: int
    plausible: Plausible | None
    toggles: tuple[str, ...]
    pace: Pace | None = None


def every_combination(fixed: Settings, varied: Mapping[str, tuple[bool | str, ...]]) -> tuple[Arm, ...]:
    """An arm for every combination of the varied values; the first value of each makes the baseline, the first arm."""
    baseline = {name: values[0] for name, values in varied.items()}
    return tuple(
        [_arm(fixed, baseline, dict(zip(varied, values, strict=True))) for values in product(*varied.values())]
    )


def each_alone_and_all(fixed: Settings, off: Settings, on: Settings) -> tuple[Arm, ...]:
    """The baseline `off`, an arm for each setting of `on` alone, and where there are several one with all of them."""
    arms = [_arm(fixed, off, off), *[_arm(fixed, off, {**off, name: value}) for name, value in on.items()]]
    if len(on) > 1:
        arms.append(replace(_arm(fixed, off, on), label="all together"))
    return tuple(arms)


def _arm(fixed: Settings, baseline: Settings, settings: Settings) -> Arm:
    """The arm with `settings` on top of `fixed`, labelled by where it departs from `baseline`."""
    difference = {name: value for name, value in settings.items() if value != baseline[name]}
    return Arm(", ".join(words(difference)) or "baseline", difference, configure({**fixed, **settings}))


def study_id(study: Study) -> str:
    """16 hexadecimal digits that change with anything that could change a figure.

    Hashes the configuration, the profile, every source file of both packages, and of the target its file, what lies
    under that file's folder, and whatever else it imported.
    """
    hashed = blake2b(digest_size=8)
    plan = {
        "target": [study.target.kind, study.target.name, study.target.file.name],
        "world": study.world,
        "arms": [as_settings(one.config) for one in study.arms],
        "toggles": sorted(study.toggles),
        "runs": study.runs,
        "seed": study.seed,
        "stack": [f"{name} {version(name)}" for name in (() if study.world == "sim" else _STACK)],
        "plausible": [study.plausible.profiles, study.plausible.runs] if study.plausible else None,
        "pace": [study.pace.speed, study.pace.sdk] if study.pace else None,
    }
    _feed(hashed, "plan", json.dumps(plan, sort_keys=True).encode())
    _feed(hashed, "profile", study.profile_bytes)
    # By content where two have one name: whose folder sorts first is a matter of the machine.
    for name, content in sorted([(name, _content(path)) for name, path in source_files(study.target)]):
        _feed(hashed, name, content)
    return hashed.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be read ({error.strerror}), and it belongs to the study; move it out of that folder"
        ) from None


def source_files(target: Target) -> list[tuple[str, Path]]:
    """Every file whose content belongs to a study of `target`, by a name that no machine's paths are part of."""
    named: dict[Path, str] = {}
    for package in (mockllm, latlab):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            named.setdefault(path.resolve(), f"{package.__name__}/{path.relative_to(root).as_posix()}")
    folder = target.file.parent
    for path in _under(folder):
        named.setdefault(path.resolve(), f"target/{path.relative_to(folder).as_posix()}")
    inside = folder.resolve()
    for path in target.modules:
        # What is imported from a folder that is passed over otherwise, such as build, belongs to the study too.
        place = f"target/{path.relative_to(inside).as_posix()}" if inside in path.parents else f"import/{path.name}"
        named.setdefault(path, place)
    return sorted([(name, path) for path, name in named.items()])


def _under(folder: Path) -> Iterator[Path]:
    found = 0
    being_written = _streams()
    for where, folders, files in os.walk(folder):
        # A virtual environment, a study's own results and hidden folders are not what a scenario is made of.
        folders[:] = sorted(
            [
                name
                for name in folders
                if name not in _NOT_SOURCE
                and not name.startswith(".")
                and not (Path(where, name) / "pyvenv.cfg").exists()
                and not (Path(where, name) / "study.db").exists()
            ]
        )
        for name in sorted(files):
            path = Path(where, name)
            if name.startswith(".") or not path.is_file():
                continue
            status = path.stat()
            if status.st_size > _MOST_BYTES or (status.st_dev, status.st_ino) in being_written:
                continue
            found += 1
            if found > _MOST_FILES:
                raise StudyError(
                    f"{folder}: holds more than {_MOST_FILES} files, and a study is named by all of them; "
                    "move the scenario into a folder of its own"
                )
            yield path


def _streams() -> set[tuple[int, int]]:
    """The files that this process's own output is redirected to."""
    streams = set()
    for descriptor in (1, 2):
        try:
            status = os.fstat(descriptor)
        except OSError:
            continue
        streams.add((status.st_dev, status.st_ino))
    return streams


def _feed(hashed: blake2b, name: str, content: bytes) -> None:
    hashed.update(f"{name}\x1f{len(content)}\x1f".encode())
    hashed.update(content)


def pace_of(study: Study) -> dict[str, float | str]:
    """What is said of a study in real time wherever its world is named, and nothing of another."""
    if study.pace is None:
        return {}
    return {"speed": study.pace.speed, "client": "sdk" if study.pace.sdk else "raw"}


def words(settings: Settings) -> list[str]:
    """`settings` as the command line writes them."""
    return [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in settings.items()]
