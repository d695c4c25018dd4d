"""Finds what the user wants run: a shipped scenario, a benchmark, or a file of their own."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

from latlab import LatlabError
from latlab.scenario import Benchmark, Scenario

__all__ = ["Kind", "Target", "TargetError", "list_benchmarks", "list_scenarios", "load_target"]

Kind: TypeAlias = Literal["scenario", "benchmark", "agent"]
_AGENT = "run"


class TargetError(LatlabError):
    """What was asked for cannot be found or loaded."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something to run. `name` is what reports call it, `given` what the user typed.

    `run` takes a lab, or for an agent the SDK client and the configuration; `toggles` are a benchmark's own; `sources`
    are the files that it is made of.
    """

    name: str
    given: str
    kind: Kind
    summary: str
    run: Callable[..., Awaitable[object]]
    toggles: Mapping[str, bool | str]
    file: Path
    modules: tuple[Path, ...]


def load_target(given: str) -> Target:
    """The target that `given` names: a path to a .py file, or a shipped scenario or benchmark."""
    if given.endswith(".py") or "/" in given:
        return _from_file(Path(given), given)
    shipped = {target.name: target for target in (*list_scenarios(), *list_benchmarks())}
    if given in shipped:
        return shipped[given]
    near = get_close_matches(given, shipped, n=1)
    hint = f"did you mean {near[0]}?" if near else "latlab list scenarios names what there is, a path ending in .py runs a file"
    raise TargetError(f"{given}: no such scenario or benchmark; {hint}")
