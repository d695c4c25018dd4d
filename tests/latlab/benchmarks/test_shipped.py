"""Tests of latlab/benchmarks/shipped.py: scenarios are found where they are installed, and files import cleanly."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from latlab.benchmarks import shipped
from latlab.benchmarks.shipped import ShippedScenarioError, import_file, scenarios_folder, shipped_scenario

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where latlab seems to be installed."""
    folder = tmp_path / "site-packages" / "latlab"
    folder.mkdir(parents=True)
    monkeypatch.setattr(shipped, "_PACKAGE", folder)
    shipped_scenario.cache_clear()
    return folder


def test_in_a_checkout_they_lie_beside_the_package() -> None:
    assert scenarios_folder() == ROOT / "scenarios"


@pytest.mark.parametrize("name", ["simple_qa", "tool_agent", "tool_agent_wide"])
def test_each_is_found_by_its_name(name: str) -> None:
    assert shipped_scenario(name).name == name
    assert shipped_scenario(name) is shipped_scenario(name)


def test_installed_they_lie_inside_the_package(package: Path) -> None:
    shutil.copytree(ROOT / "scenarios", package / "_scenarios")
    assert scenarios_folder() == package / "_scenarios"
    run = shipped_scenario("tool_agent").run
    assert Path(run.__code__.co_filename).is_relative_to(package)  # type: ignore[attr-defined]  # a function, as all of them are


def test_a_missing_one_is_one_clear_line(package: Path) -> None:
    with pytest.raises(ShippedScenarioError, match=r"tool_agent\.py: no such shipped scenario; reinstall"):
        shipped_scenario("tool_agent")


def test_a_file_without_its_scenario_is_one_clear_line(package: Path) -> None:
    (package / "_scenarios").mkdir()
    (package / "_scenarios" / "tool_agent.py").write_text("other = 1\n")
    with pytest.raises(ShippedScenarioError, match="declares no scenario 'tool_agent'"):
        shipped_scenario("tool_agent")


def test_a_file_finds_its_neighbours_and_leaves_the_path_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a_neighbour_of_mine.py").write_text("answer = 42\n")
    (tmp_path / "mine.py").write_text("from a_neighbour_of_mine import answer\n")
    before = list(sys.path)
    module = import_file(tmp_path / "mine.py")
    assert module.answer == 42
    assert import_file(tmp_path / "mine.py") is module
    assert sys.path == before


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"name = {folder!r}\n")
    assert [import_file(tmp_path / folder / "mine.py").name for folder in ("one", "two")] == ["one", "two"]


def test_a_file_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("raise LookupError('not today')\n")
    path, modules = list(sys.path), set(sys.modules)
    with pytest.raises(LookupError, match="not today"):
        import_file(file)
    assert sys.path == path
    assert set(sys.modules) == modules
    file.write_text("mended = True\n")
    assert import_file(file).mended
