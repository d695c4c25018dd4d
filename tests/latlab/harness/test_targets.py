from __future__ import annotations

import sys
from pathlib import Path

import pytest
from studies_for_tests import SCENARIO, scenario_file

from latlab.harness.targets import TargetError, list_benchmarks, list_scenarios, load_target

BENCHMARK = (
    "from latlab import benchmark\n@benchmark(streaming=True, cache_control=True)\n"
    "async def mine(config):\n    'what\\n    mine does'\n"
)
AGENT = "async def run(client, config):\n    'asks\\n    once'\n"


@pytest.fixture(autouse=True)
def _path_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def load(folder: Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(given: str) -> str:
    with pytest.raises(TargetError) as error:
        load_target(given)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_shipped_scenario_is_found_by_its_name() -> None:
    target = load_target("tool_agent")
    assert (target.name, target.given, target.kind) == ("tool_agent", "tool_agent", "scenario")


def test_a_benchmark_is_found_by_its_name_with_its_toggles() -> None:
    target = load_target("caching")
    assert (target.name, target.kind, dict(target.toggles)) == (
        "caching",
        "benchmark",
        {"cache_control": "conversation"},
    )


def test_every_listed_target_is_found_by_its_name() -> None:
    for target in (*list_scenarios(), *list_benchmarks()):
        assert load_target(target.name).name == target.name
        assert target.summary


def test_a_scenario_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    path = str(scenario_file(tmp_path))
    target = load_target(path)
    assert (target.name, target.given, target.kind) == ("small", path, "scenario")


def test_a_benchmark_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    target = load_target(load(tmp_path, BENCHMARK))
    assert (target.name, target.kind, target.summary) == ("mine", "benchmark", "what mine does")


def test_an_agent_of_ones_own_is_named_by_its_file(tmp_path: Path) -> None:
    target = load_target(load(tmp_path, AGENT, "assistant.py"))
    assert (target.name, target.kind, target.summary) == ("assistant", "agent", "asks once")


def test_what_a_file_imports_from_another_is_not_its_own(tmp_path: Path) -> None:
    scenario_file(tmp_path, name="theirs.py")
    text = "from theirs import small\nfrom latlab import scenario\n"
    text += "@scenario('own', summary='calls theirs')\nasync def own(lab):\n    await small(lab)\n"
    assert load_target(load(tmp_path, text)).name == "own"


def test_two_folders_may_each_have_a_helper_of_the_same_name(tmp_path: Path) -> None:
    names = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        load(tmp_path / folder, f"NAME = '{folder}'\n", "prompts.py")
        text = "from latlab import scenario\nimport prompts\n"
        text += "@scenario(prompts.NAME, summary='x')\nasync def f(lab):\n    pass\n"
        names.append(load_target(load(tmp_path / folder, text)).name)
    assert names == ["one", "two"]


def test_an_unknown_name_near_a_known_one_is_asked_about() -> None:
    assert refusal("tool_agnet").endswith("did you mean tool_agent?")


def test_an_unknown_name_near_nothing_is_answered_with_what_there_is() -> None:
    text = refusal("qqqq")
    assert "simple_qa" in text
    assert "a path ending in .py runs a file" in text


@pytest.mark.parametrize("given", ["nowhere.py", "no/where", "./nowhere"])
def test_a_path_that_leads_nowhere_is_no_such_file(given: str) -> None:
    assert refusal(given).startswith(f"{given}: no such file")


def test_a_folder_is_no_file_to_run(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    assert "is a folder; give a .py file in it" in refusal(str(tmp_path / "folder.py"))


def test_a_syntax_error_is_told_by_its_line(tmp_path: Path) -> None:
    path = load(tmp_path, "x = 1\ndef f(:\n")
    assert refusal(path) == f"{path}: line 2: invalid syntax; mend it and run again"


def test_a_syntax_error_in_a_helper_names_the_helper(tmp_path: Path) -> None:
    helper = load(tmp_path, "\n\ndef f(:\n", "broken_helper.py")
    path = load(tmp_path, "import broken_helper\n")
    assert refusal(path) == f"{path}: {helper}: line 3: invalid syntax; mend it and run again"


def test_a_file_that_is_no_text_has_no_line_to_name(tmp_path: Path) -> None:
    path = tmp_path / "binary.py"
    path.write_bytes(b"x = 1\nname = '\xff\xfe'\n")
    assert "line None" not in refusal(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import not_installed_anywhere", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
        ("raise ValueError('first\\nsecond')", "ValueError: first second"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "from latlab import benchmark\n@benchmark(streming=True)\nasync def f(config): pass",
            "did you mean streaming?",
        ),
        ("import sys\nsys.exit(0)", 'put that under if __name__ == "__main__":'),
    ],
    ids=["import", "lines", "division", "toggle", "exit"],
)
def test_a_file_whose_import_fails_says_why_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = load(tmp_path, text)
    assert refusal(path).startswith(f"{path}: ")
    assert said in refusal(path)


def test_a_file_that_failed_can_be_mended_and_loaded(tmp_path: Path) -> None:
    refusal(load(tmp_path, "1 / 0"))
    assert load_target(load(tmp_path, AGENT)).kind == "agent"


@pytest.mark.parametrize("text", ["", "x = 1\n", "def run(client, config): pass\n"])
def test_a_file_with_nothing_to_run_says_what_it_needs(tmp_path: Path, text: str) -> None:
    assert "nothing to run in it; it needs a @scenario, a @benchmark or async def run" in refusal(load(tmp_path, text))


def test_a_file_with_two_things_to_run_names_both(tmp_path: Path) -> None:
    assert "holds small, mine; keep one to a file" in refusal(load(tmp_path, SCENARIO + AGENT))


def test_helpers_outside_the_folder_are_known_and_installed_packages_are_not(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    helper = Path(load(tmp_path / "outside", "import colorsys\nimport simpy.resources\n", "outer_helper.py"))
    (tmp_path / "inside").mkdir()
    load(tmp_path / "inside", "", "inner_helper.py")
    text = f"import sys\nsys.path.append({str(helper.parent)!r})\nimport outer_helper, inner_helper\n{AGENT}"
    target = load_target(load(tmp_path / "inside", text))
    assert set(target.modules) == {helper, target.file}
