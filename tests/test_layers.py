"""The rules of the architecture that import-linter cannot say (it holds the rest: see .importlinter)."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [ROOT / "mockllm", ROOT / "latlab"]
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
SCENARIOS = sorted((ROOT / "scenarios").glob("*.py"))

CORE_FOUNDATIONS = {"mockllm", "numpy", "pydantic", "pydantic_core"}
IMPURE = {"asyncio", "concurrent", "multiprocessing", "random", "sched", "secrets", "selectors"}
IMPURE |= {"_thread", "socket", "ssl", "subprocess", "threading", "time"}
HEAVY = {"aiohttp", "anthropic", "httpx", "httpx2", "matplotlib", "pandas", "scipy", "statsmodels"}
SCENARIO_SEES = {"latlab", "latlab.client", "latlab.config", "latlab.lab", "mockllm", "mockllm.core"}
BANNED_NAMES = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_by(path: Path) -> set[str]:
    """The absolute dotted name of every module that a file imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = path.relative_to(ROOT).parent.parts
            above = here[: len(here) + 1 - node.level] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names.update(
                f"{module}.{alias.name}" if is_ours(f"{module}.{alias.name}") else module for alias in node.names
            )
    return names


def is_ours(module: str) -> bool:
    """Whether a dotted name is a module or a package of this repository, rather than a name inside one."""
    place = ROOT.joinpath(*module.split("."))
    return place.is_dir() or place.with_name(f"{place.name}.py").is_file()


def toggle_names() -> set[str]:
    """The toggles that `latlab list toggles` names."""
    listed = subprocess.run(
        [sys.executable, "-m", "latlab", "list", "toggles", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {toggle["name"] for toggle in json.loads(listed.stdout)}


def choices(tree: ast.AST) -> list[ast.expr]:
    """Every expression by which a program takes one path or another."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            found.append(node.test)
        elif isinstance(node, ast.Match):
            found += [node.subject, *(case.guard for case in node.cases if case.guard)]
        elif isinstance(node, ast.comprehension):
            found += node.ifs
        elif isinstance(node, ast.BoolOp):
            found += node.values
    return found


def words_in(tree: ast.AST) -> set[str]:
    """The names, attributes and string constants that an expression mentions."""
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
    return words


@pytest.mark.parametrize("path", sorted((ROOT / "mockllm" / "core").rglob("*.py")), ids=relative)
def test_the_core_has_no_clock_no_io_and_no_shared_randomness(path: Path) -> None:
    roots = {name.partition(".")[0] for name in imported_by(path)}
    assert not roots & (IMPURE | {"io", "os", "pathlib"})
    assert roots <= CORE_FOUNDATIONS | sys.stdlib_module_names
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "input"}


def test_a_scenario_imports_no_world_and_no_clock() -> None:
    assert SCENARIOS, "scenarios/ holds no scenario"
    for path in SCENARIOS:
        imported = imported_by(path)
        roots = {name.partition(".")[0] for name in imported}
        ours = {name for name in imported if name.partition(".")[0] in {"latlab", "mockllm"}}
        assert {name for name in ours if not name.startswith("mockllm.core.")} <= SCENARIO_SEES, relative(path)
        # asyncio stays: a scenario may fan out and sleep, on whichever loop runs it.
        assert not roots & (HEAVY | IMPURE - {"asyncio"}), relative(path)


def test_no_scenario_chooses_by_a_toggle() -> None:
    toggles = toggle_names()
    assert {"streaming", "cache_control", "parallel_tools", "connection_reuse"} <= toggles
    chosen = {
        f"{relative(path)}:{choice.lineno}"
        for path in SCENARIOS
        for choice in choices(ast.parse(path.read_text(encoding="utf-8")))
        if words_in(choice) & (toggles | {"config"})
    }
    assert not chosen


def test_a_choice_by_a_toggle_would_be_seen() -> None:
    for source in (
        "if config.streaming: pass",
        "x = 1 if lab.config.streaming else 2",
        "match lab.config.streaming:\n    case True: pass",
        "y = getattr(lab, 'streaming') and z",
    ):
        assert any("streaming" in words_in(choice) for choice in choices(ast.parse(source))), source


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_has_one_idea_and_a_name_that_says_it(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert not set(path.stem.lstrip("_").split("_")) & BANNED_NAMES


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=relative)
def test_a_package_says_what_it_is_for(folder: Path) -> None:
    start = folder / "__init__.py"
    assert start.is_file(), f"{relative(folder)} has no __init__.py"
    assert ast.get_docstring(ast.parse(start.read_text(encoding="utf-8")))


@pytest.mark.parametrize("command", ["latlab", "mockllm"])
def test_help_loads_nothing_heavy(command: str) -> None:
    program = (
        f"import json, sys\nfrom {command}.__main__ import main\nsys.argv = [{command!r}, '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    loaded = set(json.loads(shown.stdout.splitlines()[-1]))
    assert f"{command}.__main__" in loaded
    assert not loaded & HEAVY
