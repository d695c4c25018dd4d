from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from studies_for_tests import SCENARIO, scenario_file, write_profile

from latlab.harness import shell
from latlab.harness.planning import Asked


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setattr(sys, "path", list(sys.path))
    profile = write_profile(tmp_path / "p.toml")
    return Asked(
        str(scenario_file(tmp_path / "mine")),
        profile=str(profile),
        runs=6,
        out=str(tmp_path / "out"),
        executor="inline",
    )


def run(asked: Asked, **options: bool) -> None:
    shell.run(asked, **({"as_json": True, "dry_run": False, "fresh": False} | options))


def test_a_dry_run_says_what_would_be_run_and_leaves_no_trace(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    run(asked, dry_run=True)
    plan = json.loads(capsys.readouterr().out)
    assert (plan["target"], plan["world"], plan["profile"]) == (asked.target, "sim", "test")
    assert (plan["runs"], plan["runs_in_all"], plan["arms"], plan["plausible"]) == (6, 6, ["baseline"], None)
    assert not Path(asked.out).exists()


def test_a_dry_run_names_the_study_that_is_then_carried_out(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    run(asked, dry_run=True)
    plan = json.loads(capsys.readouterr().out)
    run(asked)
    summary = json.loads(capsys.readouterr().out)
    assert [summary[key] for key in ("study", "path", "command")] == [plan[key] for key in ("study", "path", "command")]


def test_a_dry_run_counts_the_runs_under_plausible_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    run(Asked("tool_agent", runs=10, varied=["streaming=false,true"]), dry_run=True)
    plan = json.loads(capsys.readouterr().out)
    loops = plan["plausible"]
    assert plan["runs_in_all"] == 2 * (10 + loops["profiles"] * loops["runs"])


def test_a_dry_run_for_people_is_a_line_for_each_fact(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    run(asked, dry_run=True, as_json=False)
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["arms"] == "baseline"
    assert lines["runs_in_all"] == "6"


def test_json_is_all_that_standard_output_holds_whatever_a_scenario_prints(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    talkative = "print('imported')\n" + SCENARIO.replace("    chat = lab", "    print('running')\n    chat = lab")
    Path(asked.target).write_text(talkative)
    run(asked)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["arms"][0]["n"] == 6
    assert captured.err.split() == ["imported"] + ["running"] * 6


def test_without_json_a_table_is_printed_with_digest_and_the_command_that_reproduces_it(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    run(asked)
    summary = json.loads(capsys.readouterr().out)
    run(asked, as_json=False)
    text = "".join(capsys.readouterr().out.split())
    assert summary["digest"] in text
    assert "".join(summary["command"].split()) in text


def test_the_demo_reproduces_itself_by_its_own_command(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Any] = []
    monkeypatch.setattr(shell, "_carry_out", lambda study, conditions, **_: commands.append(conditions.command))
    shell.demo(1, "results", as_json=False, fresh=False)
    shell.demo(7, "results", as_json=False, fresh=False)
    assert commands == ["latlab demo", "latlab demo --seed 7"]
