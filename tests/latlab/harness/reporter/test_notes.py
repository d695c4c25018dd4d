from __future__ import annotations

from typing import Any

import pytest

from latlab.harness.reporter.notes import assumptions, failures, meanings


def test_failures_that_are_only_counted_are_still_told(summary: dict[str, Any]) -> None:
    summary["arms"][2]["errors"] = 3
    assert failures(summary) == (
        "Failed runs, kept apart from every figure above (3); --fresh tries them again:",
        ["3 in all; see the study's folder"],
    )


def test_where_nothing_failed_and_all_was_measured_there_are_no_lines(summary: dict[str, Any]) -> None:
    summary["assumptions"] = []
    assert failures(summary)[1] == []
    assert assumptions(summary)[1] == []


@pytest.mark.parametrize("metric", ["ttft_s", "perceived_s"])
def test_why_a_metric_is_missing_is_told_once(summary: dict[str, Any], metric: str) -> None:
    for arm in summary["arms"]:
        arm["metrics"][metric]["p50"] = {"value": None, "reason": "no reply was seen"}
    assert [note for note in meanings(summary) if "no reply" in note] == [f"{metric} n/a: no reply was seen."]


def test_a_note_on_a_ratio_that_no_table_shows_is_left_out(summary: dict[str, Any]) -> None:
    for comparison in summary["comparisons"]:
        if comparison["statistic"] in {"p95", "p99"}:
            comparison["note"] = f"few runs beyond {comparison['statistic']}"
    notes = [note for note in meanings(summary) if "few runs" in note]
    assert notes == ["total_s p95 ratio: few runs beyond p95."]


def test_nothing_is_explained_that_does_not_occur(summary: dict[str, Any]) -> None:
    assert not any(note.startswith("n/a") for note in meanings(summary))
    summary["comparisons"] = summary["comparisons"][:8]
    assert not any(note.startswith("identical") for note in meanings(summary))
