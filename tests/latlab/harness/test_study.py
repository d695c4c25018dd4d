from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from studies_for_tests import ROOT, environment, latlab, scenario_file, write_profile

from latlab.harness.planning import Asked, plan_study
from latlab.harness.study import (
    Study,
    StudyError,
    each_alone_and_all,
    every_combination,
    source_files,
    study_id,
    words,
)
from latlab.harness.targets import load_target


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return scenario_file(tmp_path / "mine")


def planned(file: Path, **asked: Any) -> Study:
    words: dict[str, Any] = {"runs": 3, "varied": ["streaming=false,true"]} | asked
    return plan_study(Asked(str(file), **words))


def id_in_a_process(file: Path, tree: Path = ROOT, cwd: Path | None = None, **changes: str) -> str:
    """The id that the command plans, where a file's import is the process's first."""
    command = [sys.executable, "-m", "latlab", "run", str(file), "--runs", "3", "--dry-run", "--json"]
    env = environment(**changes) | {"PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=cwd or file.parent.parent, env=env, capture_output=True, text=True, check=True)
    study = json.loads(done.stdout)["study"]
    assert isinstance(study, str)
    return study


def test_the_id_is_sixteen_hexadecimal_digits(file: Path) -> None:
    assert len(study_id(planned(file))) == 16
    int(study_id(planned(file)), 16)


@pytest.mark.parametrize(
    "asked",
    [
        {"runs": 4},
        {"seed": 2},
        {"varied": ["streaming=true,false"]},
        {"varied": ["streaming=false,true", "parallel_tools=false,true"]},
        {"fixed": ["cache_control=auto"]},
        {"fixed": ["cache_start=warm"]},
        {"fixed": ["connection_reuse=true"]},  # its default: an agent's own code is now overruled
        {"world": "warp"},
        {"profile": "claude-opus-5"},
    ],
    ids=lambda asked: " ".join(f"{name}={value}" for name, value in asked.items()),
)
def test_the_id_changes_with_what_is_asked(file: Path, asked: dict[str, Any]) -> None:
    assert study_id(planned(file, **asked)) != study_id(planned(file))


def test_the_id_does_not_change_with_who_runs_it_and_where_it_is_kept(file: Path) -> None:
    assert study_id(planned(file, executor="processes", out="elsewhere")) == study_id(planned(file))


def test_the_id_changes_with_one_byte_of_the_profile(file: Path, tmp_path: Path) -> None:
    profile = write_profile(tmp_path / "p.toml")
    before = study_id(planned(file, profile=str(profile)))
    profile.write_text(profile.read_text() + "#\n")
    assert study_id(planned(file, profile=str(profile))) != before


def test_two_files_of_one_folder_with_a_scenario_of_the_same_name_are_two_studies(file: Path) -> None:
    other = scenario_file(file.parent, name="other.py")
    assert study_id(planned(other)) != study_id(planned(file))


@pytest.mark.parametrize("name", ["helper.py", "prompts.txt", "deep/er/data.json", "no_suffix"])
def test_the_id_changes_with_a_file_under_the_scenarios_folder(file: Path, name: str) -> None:
    path = file.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("one")
    before = study_id(planned(file))
    path.write_text("two")
    assert study_id(planned(file)) != before


def test_the_id_changes_with_a_data_file_of_two_megabytes(file: Path) -> None:
    data = file.parent / "recording.csv"
    data.write_bytes(b"1" * 2_000_000)
    before = study_id(planned(file))
    data.write_bytes(b"1" * 1_999_999 + b"2")
    assert study_id(planned(file)) != before


@pytest.mark.parametrize(
    "name",
    ["__pycache__/small.cpython-311.pyc", ".hidden", ".git/HEAD", "results/x/study.db", "anywhere/x/study.db"],
)
def test_the_id_does_not_change_with_what_is_no_source(file: Path, name: str) -> None:
    before = study_id(planned(file))
    path = file.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("one")
    assert study_id(planned(file)) == before


def test_the_id_does_not_change_with_a_virtual_environment_beside_the_scenario(file: Path) -> None:
    before = study_id(planned(file))
    (file.parent / "env" / "lib").mkdir(parents=True)
    (file.parent / "env" / "pyvenv.cfg").touch()
    (file.parent / "env" / "lib" / "package.py").write_text("one")
    assert study_id(planned(file)) == before


def test_the_id_changes_with_the_scenario_itself(file: Path) -> None:
    before = id_in_a_process(file)
    file.write_text(file.read_text().replace("answers briefly", "answers").replace("Script(20", "Script(21"))
    assert id_in_a_process(file) != before


def test_the_id_changes_with_a_helper_that_is_imported_from_outside_the_folder(file: Path, tmp_path: Path) -> None:
    helper = tmp_path / "elsewhere" / "distant_helper.py"
    helper.parent.mkdir()
    helper.write_text("TOKENS = 20\n")
    file.write_text(f"import sys\nsys.path.append({str(helper.parent)!r})\nimport distant_helper\n" + file.read_text())
    before = id_in_a_process(file)
    helper.write_text("TOKENS = 21\n")
    assert id_in_a_process(file) != before


@pytest.mark.parametrize("folder", ["build", "results", ".hidden"])
def test_the_id_changes_with_a_helper_that_is_imported_from_a_folder_otherwise_passed_over(
    file: Path, folder: str
) -> None:
    helper = file.parent / folder / "odd_helper.py"
    helper.parent.mkdir()
    helper.write_text("TOKENS = 20\n")
    file.write_text(f"import sys\nsys.path.append({str(helper.parent)!r})\nimport odd_helper\n" + file.read_text())
    before = id_in_a_process(file)
    helper.write_text("TOKENS = 21\n")
    assert id_in_a_process(file) != before


def test_the_id_does_not_depend_on_which_of_two_helpers_of_one_name_lies_first(tmp_path: Path) -> None:
    named = []
    for number, (first, second) in enumerate((("a", "b"), ("b", "a"))):
        here = tmp_path / str(number)
        for folder, text in ((first, "ONE = 1\n"), (second, "TWO = 2\n")):
            (here / folder).mkdir(parents=True)
            (here / folder / "__init__.py").touch()
            (here / folder / "helper.py").write_text(text)
        target = replace(load_target("simple_qa"), modules=tuple(sorted(here.glob("*/helper.py"))))
        named.append(study_id(replace(plan_study(Asked("simple_qa", runs=1)), target=target)))
    assert named[0] == named[1]


def test_planning_a_file_twice_in_one_process_gives_one_id(file: Path, tmp_path: Path) -> None:
    helper = tmp_path / "elsewhere" / "helper_asked_twice.py"
    helper.parent.mkdir()
    helper.write_text("TOKENS = 20\n")
    file.write_text(
        f"import sys\nsys.path.append({str(helper.parent)!r})\nimport helper_asked_twice\n" + file.read_text()
    )
    studies = [planned(file), planned(file)]
    assert helper in studies[0].target.modules
    assert study_id(studies[0]) == study_id(studies[1])


@pytest.mark.parametrize("module", ["latlab/lab.py", "mockllm/core/timeline.py"])
def test_the_id_changes_with_a_module_of_either_package(file: Path, tmp_path: Path, module: str) -> None:
    tree = tmp_path / "tree"
    for name in ("latlab", "mockllm", "profiles", "scenarios"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = id_in_a_process(file, tree)
    with (tree / module).open("a") as opened:
        opened.write("# a thought\n")
    assert id_in_a_process(file, tree) != before


def test_the_id_does_not_depend_on_hash_seed_or_working_directory_or_where_the_tree_lies(
    file: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied" / "mine"
    shutil.copytree(file.parent, copied)
    before = id_in_a_process(file, PYTHONHASHSEED="0")
    assert id_in_a_process(copied / file.name, cwd=Path("/"), PYTHONHASHSEED="1") == before


def test_the_id_does_not_change_with_the_file_that_the_output_is_redirected_to(file: Path) -> None:
    before = latlab("run", file, "--runs", "3", "--dry-run", "--json").stdout
    output = file.parent / "output.json"
    for _ in range(2):
        with output.open("a") as opened:  # it grows, as a log does
            subprocess.run(
                [sys.executable, "-m", "latlab", "run", str(file), "--runs", "3", "--dry-run", "--json"],
                env=environment(),
                stdout=opened,
                check=True,
            )
    assert output.read_text() == before * 2


def test_a_file_of_the_study_that_cannot_be_read_is_one_line(file: Path) -> None:
    # Root may read every file, but nobody this one.
    (file.parent / "memory").symlink_to("/proc/self/mem")
    with pytest.raises(StudyError, match=r"mem: cannot be read .* move it out of that folder"):
        study_id(planned(file))


def test_a_folder_of_very_many_files_is_refused_in_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latlab.harness.study._MOST_FILES", 10)
    for number in range(10):
        (file.parent / f"{number}.txt").touch()
    with pytest.raises(StudyError, match="a folder of its own"):
        study_id(planned(file))


def test_no_name_of_a_source_file_holds_a_path_of_this_machine(file: Path) -> None:
    names = [name for name, _ in source_files(planned(file).target)]
    assert "target/small.py" in names
    assert "latlab/lab.py" in names
    assert "mockllm/core/timeline.py" in names
    assert not [name for name in names if os.path.isabs(name) or ".." in name]  # noqa: PTH117  # names, not paths


def test_a_shipped_scenarios_neighbours_belong_to_its_study() -> None:
    names = [name for name, _ in source_files(plan_study(Asked("simple_qa")).target)]
    assert "target/simple_qa.py" in names
    assert "target/recorded_workload.py" in names


def test_a_benchmarks_scenario_belongs_to_its_study() -> None:
    names = [name for name, _ in source_files(plan_study(Asked("caching")).target)]
    assert "target/tool_agent.py" in names


def test_every_combination_begins_with_the_baseline_and_names_arms_by_how_they_differ() -> None:
    arms = every_combination(
        {"connection_reuse": False}, {"streaming": (True, False), "cache_control": ("auto", "off", "system")}
    )
    assert [arm.label for arm in arms] == [
        "baseline",
        "cache_control=off",
        "cache_control=system",
        "streaming=false",
        "streaming=false, cache_control=off",
        "streaming=false, cache_control=system",
    ]
    assert [arm.difference for arm in arms[:4]] == [
        {},
        {"cache_control": "off"},
        {"cache_control": "system"},
        {"streaming": False},
    ]
    assert all(arm.config.connection_reuse is False for arm in arms)
    assert (arms[0].config.streaming, arms[0].config.cache_control) == (True, "auto")


def test_nothing_varied_is_the_baseline_alone() -> None:
    (arm,) = every_combination({"streaming": True}, {})
    assert (arm.label, arm.difference, arm.config.streaming) == ("baseline", {}, True)


def test_each_alone_and_all_has_an_arm_for_each_and_one_for_all() -> None:
    arms = each_alone_and_all(
        {}, {"streaming": False, "cache_control": "off"}, {"streaming": True, "cache_control": "system"}
    )
    assert [(arm.label, arm.difference) for arm in arms] == [
        ("baseline", {}),
        ("streaming=true", {"streaming": True}),
        ("cache_control=system", {"cache_control": "system"}),
        ("all together", {"streaming": True, "cache_control": "system"}),
    ]


def test_one_setting_alone_is_not_repeated_as_all_together() -> None:
    assert len(each_alone_and_all({}, {"streaming": False}, {"streaming": True})) == 2


def test_words_are_what_the_command_line_takes() -> None:
    assert words({"streaming": True, "parallel_tools": False, "cache_control": "off"}) == [
        "streaming=true",
        "parallel_tools=false",
        "cache_control=off",
    ]


def test_the_toggles_that_were_set_belong_to_the_id(file: Path) -> None:
    study = planned(file)
    assert study_id(replace(study, toggles=("streaming", "cache_control"))) != study_id(study)
