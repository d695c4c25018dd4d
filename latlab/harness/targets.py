"""Finds what the user wants run: a shipped scenario, a benchmark, or a file of their own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Literal, TypeAlias

import latlab.benchmarks
from latlab import LatlabError
from latlab.benchmarks.shipped import import_file, scenarios_folder
from latlab.declaration import Benchmark, Scenario

__all__ = ["Kind", "Target", "TargetError", "list_benchmarks", "list_scenarios", "load_target"]

Kind: TypeAlias = Literal["scenario", "benchmark", "agent"]
_AGENT = "run"


class TargetError(LatlabError):
    """What was asked for cannot be found or loaded."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something to run. `name` is what reports call it, `given` what the user typed.

    `run` takes a lab, or for an agent the SDK client and the configuration; `toggles` are a benchmark's own. `file` is
    where it is declared and `modules` what that file imported, installed packages apart.
    """

    name: str
    given: str
    kind: Kind
    summary: str
    run: Callable[..., Awaitable[object]]
    toggles: Mapping[str, bool | str]
    file: Path
    modules: tuple[Path, ...] = ()


def load_target(given: str) -> Target:
    """The target that `given` names: a path to a .py file, or a shipped scenario or benchmark."""
    if given.endswith(".py") or "/" in given:
        return _from_file(Path(given), given)
    shipped = {target.name: target for target in (*list_scenarios(), *list_benchmarks())}
    if given in shipped:
        return shipped[given]
    near = get_close_matches(given, shipped, n=1)
    hint = (
        f"did you mean {near[0]}?" if near else f"there are {', '.join(shipped)}, and a path ending in .py runs a file"
    )
    raise TargetError(f"{given}: no such scenario or benchmark; {hint}")


def list_scenarios() -> Iterator[Target]:
    """The shipped scenarios, by name."""
    for file in sorted(scenarios_folder().glob("*.py")):
        for target in _declared(import_file(file), file, ""):
            if target.kind == "scenario":
                yield target


def list_benchmarks() -> Iterator[Target]:
    """The benchmarks, by name. What they run lies with the shipped scenarios, so that is the folder of their file."""
    for module in iter_modules(latlab.benchmarks.__path__):
        found = import_module(f"latlab.benchmarks.{module.name}")
        yield from _declared(found, scenarios_folder() / "__init__.py", "")


def _from_file(file: Path, given: str) -> Target:
    if file.is_dir():
        raise TargetError(f"{given}: is a folder; give a .py file in it")
    if file.suffix != ".py" or not file.is_file():
        raise TargetError(
            f"{given}: no such file; give a .py file with a @scenario, a @benchmark or async def run(client, config)"
        )
    try:
        module, modules = _import_own(file.resolve())
    except SyntaxError as error:
        # The fault may lie in a file that this one imports, or in its encoding, which has no line.
        inside = "" if error.filename in (None, str(file.resolve())) else f"{error.filename}: "
        line = f"line {error.lineno}: " if error.lineno else ""
        raise TargetError(f"{given}: {inside}{line}{error.msg}; mend it and run again") from None
    except SystemExit:
        raise TargetError(
            f'{given}: ends the process when it is imported; put that under if __name__ == "__main__":'
        ) from None
    except Exception as error:  # an import may raise anything, and the user needs one line of it
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise TargetError(f"{given}: cannot be imported: {text}") from None
    found = list(_declared(module, file, given))
    if not found:
        raise TargetError(
            f"{given}: nothing to run in it; it needs a @scenario, a @benchmark or async def run(client, config)"
        )
    if len(found) > 1:
        names = ", ".join(target.name for target in found)
        raise TargetError(f"{given}: holds {names}; keep one to a file, so that a path says which to run")
    return replace(found[0], modules=modules)


@cache
def _import_own(file: Path) -> tuple[ModuleType, tuple[Path, ...]]:
    """The module in `file`, and what it imported from elsewhere, which only its first import can tell."""
    before = set(sys.modules)
    # It stays on the path: a scenario may import its neighbours as late as in a run.
    sys.path.insert(0, str(file.parent))
    return import_file(file), _imported_since(before)


def _declared(module: ModuleType, file: Path, given: str) -> Iterator[Target]:
    for name, value in vars(module).items():
        if isinstance(value, Scenario) and _is_of(value.run, module):
            yield Target(value.name, given or value.name, "scenario", value.summary, value, {}, file)
        elif isinstance(value, Benchmark) and _is_of(value.run, module):
            yield Target(value.name, given or value.name, "benchmark", value.summary, value, value.toggles, file)
        elif name == _AGENT and inspect.iscoroutinefunction(value) and _is_of(value, module):
            summary = " ".join((value.__doc__ or "an agent of your own").split())
            yield Target(file.stem, given, "agent", summary, value, {}, file)


def _is_of(function: Any, module: ModuleType) -> bool:
    """Whether `function` was declared in `module` itself and not imported into it."""
    return bool(function.__module__ == module.__name__)


def _imported_since(before: set[str]) -> tuple[Path, ...]:
    """The files pulled in, installed packages apart: they decide figures too, wherever they lie."""
    prefixes = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)}
    paths = set()
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        path = Path(origin).resolve() if origin else None
        if path is None or path.suffix != ".py":
            continue
        if "site-packages" in path.parts or any(prefix in path.parents for prefix in prefixes):
            continue
        paths.add(path)
    return tuple(sorted(paths))
