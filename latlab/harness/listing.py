"""What there is to choose from: scenarios, benchmarks, profiles, toggles."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from latlab.declaration import CONDITIONS
from latlab.harness.targets import list_benchmarks, list_scenarios
from latlab.optimizations import TOGGLES
from mockllm.profiles import load, shipped

__all__ = ["Listed", "listing"]

Listed: TypeAlias = Literal["scenarios", "benchmarks", "profiles", "toggles"]


def listing(kind: Listed) -> list[dict[str, Any]]:
    """The contract's list: a name and a summary each, toggles with their values and default too."""
    if kind == "toggles":
        return [
            {"name": one.name, "summary": one.summary, "values": list(one.values), "default": one.default}
            for one in (*TOGGLES, *CONDITIONS)
        ]
    if kind == "profiles":
        return [{"name": name, "summary": load(name)[0].summary} for name in shipped()]
    found = list_scenarios() if kind == "scenarios" else list_benchmarks()
    return [{"name": target.name, "summary": target.summary} for target in found]
