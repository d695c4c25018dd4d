from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Generator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from studies_for_tests import scenario_file, write_profile

from latlab.harness import executors
from latlab.harness.conduct import Conditions, conduct
from latlab.harness.executors import Batch, Finished, Plan, inline
from latlab.harness.planning import Asked, plan_study
from latlab.harness.reporter.artifact import UnwritableArtifactError
from latlab.harness.store import StoreError
from latlab.harness.study import Plausible, Study, StudyError, study_id

UNLUCKY = """
if lab.uniforms('luck')[0] < {share}:
    raise RuntimeError('unlucky')
await asyncio.sleep(1 + lab.uniforms('length')[0])
"""


def quiet(done: int, total: int) -> None:
    pass


def never(plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
    raise AssertionError("a finished study was run again")


@pytest.fixture(autouse=True)
def _path_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def planned(folder: Path, body: str | None = None, **asked: Any) -> Study:
    profile = str(write_profile(folder / "p.toml"))
    words: dict[str, Any] = {"runs": 8, "varied": ["streaming=false,true"], "profile": profile} | asked
    study = plan_study(Asked(str(scenario_file(folder / "mine", body)), **words))
    return replace(study, plausible=Plausible(2, 3) if study.plausible else None)


def carried_out(study: Study, out: Path, *, executor: str | None = "inline", fresh: bool = False) -> dict[str, Any]:
    return conduct(study, Conditions(out, executor, fresh, "latlab run it"), quiet)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path, dict[str, Any]]:
    """A study that was finished once, where it lies, and its summary."""
    folder = tmp_path_factory.mktemp("finished")
    study = planned(folder)
    return study, folder / "out", carried_out(study, folder / "out")


@pytest.fixture
def again(finished: tuple[Study, Path, dict[str, Any]], tmp_path: Path) -> tuple[Study, Path, dict[str, Any]]:
    """The finished study in a copy that a test may spoil."""
    study, out, summary = finished
    shutil.copytree(out, tmp_path / "out")
    return study, tmp_path / "out", summary


def edit(out: Path, study: Study, statement: str) -> None:
    connection = sqlite3.connect(out / study_id(study) / "study.db")
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_study_lies_in_a_folder_of_its_own_name_with_every_artifact(tmp_path: Path) -> None:
    study, out = planned(tmp_path, runs=20), tmp_path / "out"
    summary = carried_out(study, out)
    assert summary["study"] == study_id(study)
    assert summary["path"] == (out / study_id(study)).as_posix()
    files = {path.name for path in (out / study_id(study)).iterdir()}
    assert files == {"study.db", "manifest.json", "summary.json", "latency_ecdf.png", "effects.png"}
    assert {Path(path).name for path in summary["artifacts"]} == files - {"manifest.json"}
    for path in summary["artifacts"]:
        assert Path(path).stat().st_size > 0
        assert path.endswith((".db", ".json")) or Path(path).read_bytes().startswith(b"\x89PNG")


def test_one_arm_alone_has_no_plot_of_effects(tmp_path: Path) -> None:
    summary = carried_out(planned(tmp_path, varied=(), runs=20), tmp_path / "out")
    assert "latency_ecdf.png" in {path.name for path in (tmp_path / "out").rglob("*")}
    assert not [path for path in summary["artifacts"] if "effects" in path]
    assert not list((tmp_path / "out").rglob("effects.png"))


def test_a_study_of_few_runs_promises_no_plot_and_makes_none(finished: tuple[Study, Path, dict[str, Any]]) -> None:
    _, out, summary = finished
    assert not list(out.rglob("*.png"))
    assert {Path(path).name for path in summary["artifacts"]} == {"study.db", "summary.json"}


def test_the_manifest_says_what_was_run_and_with_what(finished: tuple[Study, Path, dict[str, Any]]) -> None:
    study, out, _ = finished
    manifest = json.loads((out / study_id(study) / "manifest.json").read_text())
    assert manifest["study"] == study_id(study)
    assert manifest["target"] == {"name": "small", "kind": "scenario", "given": study.target.given}
    assert (manifest["world"], manifest["profile"], manifest["runs"], manifest["seed"]) == ("sim", "test", 8, 1)
    assert manifest["command"] == "latlab run it"
    assert [arm["label"] for arm in manifest["arms"]] == ["baseline", "streaming=true"]
    assert [arm["resolved"]["streaming"] for arm in manifest["arms"]] == [False, True]
    assert manifest["versions"]["numpy"] == version("numpy")


def test_the_summary_on_disk_is_the_one_returned(finished: tuple[Study, Path, dict[str, Any]]) -> None:
    study, out, summary = finished
    assert json.loads((out / study_id(study) / "summary.json").read_text()) == json.loads(json.dumps(summary))


def test_the_summary_names_the_parameters_that_no_recording_gave(
    finished: tuple[Study, Path, dict[str, Any]],
) -> None:
    _, _, summary = finished
    assert {one["name"]: one["evidence"] for one in summary["assumptions"]} == {
        "ttft.intercept_s": "assumed",
        "ttft.cached_s_per_1k": "assumed",
    }


def test_a_finished_study_returns_its_summary_without_running_anything(
    again: tuple[Study, Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, out, summary = again
    monkeypatch.setitem(executors.EXECUTORS, "inline", never)
    returned = carried_out(study, out)
    assert returned["arms"] == summary["arms"]
    assert returned["comparisons"] == summary["comparisons"]
    assert returned["digest"] == summary["digest"]


def test_a_finished_study_that_was_moved_tells_where_it_lies_now(again: tuple[Study, Path, dict[str, Any]]) -> None:
    study, out, _ = again
    returned = carried_out(study, out)
    assert returned["path"].startswith(out.as_posix())
    assert all(path.startswith(out.as_posix()) for path in returned["artifacts"])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET total_us = total_us + 2 WHERE arm = 1 AND run = 3 AND plausible = 0",
        "UPDATE calls SET ttft_us = ttft_us - 2 WHERE arm = 0 AND run = 0",
        "DELETE FROM calls WHERE arm = 0 AND run = 0",
    ],
)
def test_rows_edited_after_a_study_was_finished_are_noticed(
    again: tuple[Study, Path, dict[str, Any]], statement: str
) -> None:
    study, out, _ = again
    edit(out, study, statement)
    with pytest.raises(StudyError, match=r"study\.db: its rows are not those .* --fresh") as error:
        carried_out(study, out)
    assert "\n" not in str(error.value)


def test_a_study_started_afresh_is_as_it_was_before_it_was_spoiled(again: tuple[Study, Path, dict[str, Any]]) -> None:
    study, out, summary = again
    edit(out, study, "UPDATE runs SET total_us = total_us + 2")
    assert carried_out(study, out, fresh=True) == summary | {
        "path": (out / summary["study"]).as_posix(),
        "artifacts": [
            path.replace(Path(summary["path"]).parent.as_posix(), out.as_posix()) for path in summary["artifacts"]
        ],
    }


def test_a_row_that_was_lost_is_measured_again(again: tuple[Study, Path, dict[str, Any]]) -> None:
    study, out, summary = again
    edit(out, study, "DELETE FROM runs WHERE arm = 1 AND run = 3")
    assert carried_out(study, out)["digest"] == summary["digest"]


@pytest.mark.parametrize("left", ["", "[]", '{"study": "'])
def test_a_summary_that_was_cut_is_made_again(again: tuple[Study, Path, dict[str, Any]], left: str) -> None:
    study, out, summary = again
    path = out / study_id(study) / "summary.json"
    path.write_text(left)
    assert carried_out(study, out)["arms"] == summary["arms"]
    assert json.loads(path.read_text())["digest"] == summary["digest"]


def test_a_database_that_was_spoiled_is_refused_and_started_again_with_fresh(
    again: tuple[Study, Path, dict[str, Any]],
) -> None:
    study, out, summary = again
    (out / study_id(study) / "study.db").write_text("dear diary, " * 1000)
    with pytest.raises(StoreError, match=r"not a study's file.* --fresh"):
        carried_out(study, out)
    assert carried_out(study, out, fresh=True)["digest"] == summary["digest"]


def test_an_interrupted_study_ends_as_one_that_was_not(
    finished: tuple[Study, Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _, summary = finished

    def stops(plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
        for number, portion in enumerate(inline(plan, batches)):
            if number == 11:
                raise KeyboardInterrupt
            yield portion

    with monkeypatch.context() as patch:
        patch.setitem(executors.EXECUTORS, "inline", stops)
        with pytest.raises(StudyError, match="interrupted after 11 of 28 runs"):
            carried_out(study, tmp_path / "out")
    whole = carried_out(study, tmp_path / "out")
    assert (whole["digest"], whole["arms"]) == (summary["digest"], summary["arms"])


def test_runs_that_fail_are_counted_listed_and_left_out_of_every_pair(tmp_path: Path) -> None:
    summary = carried_out(planned(tmp_path, UNLUCKY.format(share=0.3), runs=20), tmp_path / "out")
    baseline, arm = summary["arms"]
    assert 0 < baseline["errors"] < 20
    assert baseline["n"] + baseline["errors"] == 20
    assert {failure["label"] for failure in summary["failures"]} == {"baseline", "streaming=true"}
    assert sum(not failure["plausible"] for failure in summary["failures"]) == baseline["errors"] + arm["errors"]
    assert any(failure["plausible"] for failure in summary["failures"])
    assert summary["failures"][0]["error"] == "RuntimeError: unlucky (at small.py:9)"
    assert {row["pairs"] for row in summary["comparisons"] if row["metric"] == "total_s"} == {baseline["n"]}


def test_an_arm_in_which_every_run_fails_is_an_error(tmp_path: Path) -> None:
    body = "if lab.config.streaming:\n    raise RuntimeError('never')\nawait asyncio.sleep(1)"
    with pytest.raises(StudyError, match=r"no run of the arm streaming=true succeeded: RuntimeError: never"):
        carried_out(planned(tmp_path, body), tmp_path / "out")


@pytest.mark.parametrize("fresh", [False, True])
def test_results_that_cannot_be_written_are_one_line(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises((StoreError, StudyError), match="give another --out") as error:
        carried_out(planned(tmp_path), tmp_path / "a file", fresh=fresh)
    assert "\n" not in str(error.value)


def test_something_in_the_way_of_a_report_is_one_line(tmp_path: Path) -> None:
    study = planned(tmp_path)
    (tmp_path / "out" / study_id(study) / "summary.json" / "in the way").mkdir(parents=True)
    with pytest.raises(UnwritableArtifactError, match="cannot write") as error:
        carried_out(study, tmp_path / "out")
    assert "\n" not in str(error.value)


def test_few_runs_stay_in_this_process_and_many_go_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []

    def asked(name: str) -> executors.Executor:
        def executor(plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
            chosen.append(name)
            raise KeyboardInterrupt
            yield  # an executor is a generator

        return executor

    for name in ("inline", "processes"):
        monkeypatch.setitem(executors.EXECUTORS, name, asked(name))
    for runs in (8, 2000):
        with pytest.raises(StudyError):
            carried_out(planned(tmp_path, runs=runs), tmp_path / "out", executor=None)
    assert chosen == ["inline", "processes"]
