"""The shipped scenarios, wherever this package was installed to."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from latlab import LatlabError
from latlab.declaration import Scenario

__all__ = ["ShippedScenarioError", "import_file", "scenarios_folder", "shipped_scenario"]

_PACKAGE = Path(__file__).resolve().parent.parent


class ShippedScenarioError(LatlabError):
    """A scenario that should be shipped is not there."""


def scenarios_folder() -> Path:
    """Where the shipped scenarios are: inside an installed package, or beside it in a checkout."""
    installed = _PACKAGE / "_scenarios"
    return installed if installed.is_dir() else _PACKAGE.parent / "scenarios"


@cache
def shipped_scenario(name: str) -> Scenario:
    """The scenario in the shipped file `name`.py; raises `ShippedScenarioError` where there is none."""
    file = scenarios_folder() / f"{name}.py"
    if not file.is_file():
        raise ShippedScenarioError(f"{file}: no such shipped scenario; reinstall llm-latency-lab")
    for value in vars(import_file(file)).values():
        if isinstance(value, Scenario) and value.name == name:
            return value
    raise ShippedScenarioError(f"{file}: it declares no scenario {name!r}; reinstall llm-latency-lab")


def import_file(file: Path) -> ModuleType:
    """The module in `file`, under a name that no other file's has, and with its neighbours importable meanwhile.

    The neighbours' plain names are forgotten afterwards, so that two folders may each have a `prompts.py`. Raises
    whatever the module raises; a module that failed leaves nothing behind.
    """
    file = file.resolve()
    name = f"latlab.file:{file}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(file.parent))
        for new in set(sys.modules) - before:
            if new != name and Path(getattr(sys.modules[new], "__file__", None) or "/").parent == file.parent:
                del sys.modules[new]
    return module
