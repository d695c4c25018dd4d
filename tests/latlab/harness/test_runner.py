from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies_for_tests import scenario_file, write_profile

from latlab.client import CallRecord
from latlab.harness.executors import BATCH, Batch, Finished, Plan, inline
from latlab.harness.planning import Asked, plan_study
from latlab.harness.runner import InterruptedStudyError, carry_out, describe, failures_of, samples_of
from latlab.harness.store import RunKey, Store
from latlab.harness.study import Plausible, Study, StudyError
from latlab.worlds.run import Outcome, RunRecord


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "out" / "study.db")
    yield opened
    opened.close()


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    return planned(tmp_path, monkeypatch)


def planned(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str | None = None, **asked: Any) -> Study:
    monkeypatch.setattr(sys, "path", list(sys.path))
    profile = str(write_profile(folder / "p.toml"))
    words: dict[str, Any] = {"runs": 60, "varied": ["streaming=false,true"], "profile": profile} | asked
    study = plan_study(Asked(str(scenario_file(folder / "mine", body)), **words))
    return replace(study, plausible=Plausible(2, 3) if study.plausible else None)


class Recorded:
    """An executor that remembers what it was asked and answers each run with figures that tell which it was."""

    def __init__(self, *, fails: Sequence[RunKey] = (), stops_after: int | None = None) -> None:
        self.batches: list[Batch] = []
        self.closed = False
        self._fails = fails
        self._stops_after = stops_after

    def __call__(self, plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
        self.batches.extend(batches)
        try:
            for number, batch in enumerate(batches):
                if number == self._stops_after:
                    raise KeyboardInterrupt
                keys = [RunKey(batch.arm, batch.plausible, n) for n in batch.numbers]
                yield [(key, self._outcome(key)) for key in keys]
        finally:
            self.closed = True

    def _outcome(self, key: RunKey) -> Outcome:
        if key in self._fails:
            return Outcome(None, (), f"unlucky {key.run}")
        us = 1_000_000 * (1 + key.arm) + 1000 * key.plausible + key.run
        call = CallRecord("main/turn-0", 0, 0, 0, 0, us // 2, us, 10, 30, 0, 0, 101, 1, 1, 5_000)
        return Outcome(RunRecord(us, us // 2, 1, 0, 40, 30, 1, 5_000), (call,), None)


def quiet(done: int, total: int) -> None:
    pass


def test_every_run_of_every_arm_and_plausible_profile_is_made_once(study: Study, store: Store) -> None:
    executor = Recorded()
    carry_out(study, store, executor, quiet)
    made = [RunKey(one.arm, one.plausible, n) for one in executor.batches for n in one.numbers]
    expected = {RunKey(arm, 0, n) for arm in (0, 1) for n in range(60)}
    expected |= {RunKey(arm, draw, n) for arm in (0, 1) for draw in (1, 2) for n in range(3)}
    assert sorted(made) == sorted(expected)
    assert store.done() == expected
    assert max(len(one.numbers) for one in executor.batches) == BATCH


def test_only_what_is_missing_is_run(study: Study, store: Store) -> None:
    carry_out(study, store, Recorded(), quiet)
    store._connection.execute("DELETE FROM runs WHERE arm = 1 AND run IN (7, 40) AND plausible = 0")
    executor = Recorded()
    carry_out(study, store, executor, quiet)
    assert executor.batches == [Batch(1, 0, (7, 40))]


def test_a_finished_study_asks_no_executor(study: Study, store: Store) -> None:
    carry_out(study, store, Recorded(), quiet)

    def never(plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
        raise AssertionError("nothing is missing")

    carry_out(study, store, never, quiet)


def test_an_interrupted_study_keeps_what_was_finished_and_goes_on(study: Study, store: Store, tmp_path: Path) -> None:
    with pytest.raises(InterruptedStudyError, match="interrupted after 50 of 132 runs; they are kept"):
        carry_out(study, store, Recorded(stops_after=2), quiet)
    assert len(store.done()) == 50
    carry_out(study, store, Recorded(), quiet)
    whole = Store(tmp_path / "whole.db")
    carry_out(study, whole, Recorded(), quiet)
    assert store.digest("x") == whole.digest("x")
    whole.close()


def test_progress_counts_runs_up_to_all_that_were_missing(study: Study, store: Store) -> None:
    seen: list[tuple[int, int]] = []
    carry_out(study, store, Recorded(), lambda done, total: seen.append((done, total)))
    assert seen[0] == (25, 132)
    assert seen[-1] == (132, 132)


def test_the_order_of_arrival_leaves_no_trace_in_the_digest(study: Study, store: Store, tmp_path: Path) -> None:
    carry_out(study, store, inline, quiet)

    def backwards(plan: Plan, batches: Sequence[Batch]) -> Generator[Finished, None, None]:
        yield from reversed(list(inline(plan, batches)))

    other = Store(tmp_path / "other.db")
    carry_out(study, other, backwards, quiet)
    assert other.digest("x") == store.digest("x")
    other.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("await asyncio.Event().wait()", "deadlock at 0.000000 s: nothing can wake small at small.py:7"),
        ("while True:\n    await asyncio.sleep(600)", "give its loop an end"),
    ],
    ids=["deadlock", "sleeps"],
)
def test_a_scenario_that_cannot_end_stops_the_study_at_its_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store, body: str, said: str
) -> None:
    study = planned(tmp_path, monkeypatch, body)
    with pytest.raises(StudyError) as error:
        carry_out(study, store, inline, quiet)
    assert str(error.value).startswith(f"{study.target.given}: ")
    assert said in str(error.value)
    assert not store.done()  # or the same command would end another way when it is repeated
    with pytest.raises(StudyError):
        carry_out(study, store, inline, quiet)


def test_a_scenario_that_always_raises_is_not_run_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    study = planned(tmp_path, monkeypatch, "raise LookupError('no such thing')")
    with pytest.raises(StudyError, match=r"small\.py: LookupError: no such thing \(at small\.py:7\)"):
        carry_out(study, store, inline, quiet)
    assert len(store.done()) == BATCH


def test_stopping_closes_the_executor(study: Study, store: Store) -> None:
    executor = Recorded(fails=[RunKey(0, 0, n) for n in range(60)])
    with pytest.raises(StudyError):
        carry_out(study, store, executor, quiet)
    assert executor.closed


def test_runs_that_fail_are_counted_and_left_out_of_their_arm_alone(study: Study, store: Store) -> None:
    carry_out(study, store, Recorded(fails=[RunKey(1, 0, 3), RunKey(1, 0, 5)]), quiet)
    baseline, arm = samples_of(study, store)
    assert (baseline.errors, arm.errors) == (0, 2)
    assert list(baseline.runs) == list(range(60))
    assert list(arm.runs) == [n for n in range(60) if n not in (3, 5)]


def test_failures_are_listed_by_arm_and_run(study: Study, store: Store) -> None:
    carry_out(study, store, Recorded(fails=[RunKey(1, 0, 3), RunKey(0, 1, 2)]), quiet)
    assert failures_of(study, store) == [
        {"label": "streaming=true", "plausible": 0, "run": 3, "error": "unlucky 3"},
        {"label": "baseline", "plausible": 1, "run": 2, "error": "unlucky 2"},
    ]


def test_an_arm_without_one_run_that_succeeded_is_an_error_with_its_first_reason(study: Study, store: Store) -> None:
    carry_out(study, store, Recorded(fails=[RunKey(1, 0, n) for n in range(60)]), quiet)
    with pytest.raises(StudyError, match="no run of the arm streaming=true succeeded: unlucky 0"):
        samples_of(study, store)


def test_samples_are_the_stored_figures_in_the_units_of_the_contract(study: Study, store: Store) -> None:
    carry_out(study, store, Recorded(), quiet)
    sample = samples_of(study, store)[1]
    assert (sample.scenario, sample.label, sample.config) == ("small", "streaming=true", {"streaming": True})
    assert sample.resolved["streaming"] is True
    figures = {name: column[7] for name, column in sample.metrics.items()}
    assert figures["total_s"] == pytest.approx(2.000007)
    assert figures["perceived_s"] == pytest.approx(1.000003)
    assert figures["ttft_s"] == pytest.approx(1.000003)
    assert figures["tokens_per_s"] == pytest.approx(100 / 1.000004)
    assert figures["cache_hit_rate"] == 0.75
    assert figures["cost_usd"] == pytest.approx(5e-6)


def test_runs_under_plausible_profiles_are_kept_apart_from_the_samples(study: Study, store: Store) -> None:
    carry_out(study, store, Recorded(fails=[RunKey(1, 2, 1)]), quiet)
    plausible = samples_of(study, store)[1].plausible
    assert plausible is not None
    expected = 2 + np.array([[1, 2]]).T * 1e-3 + np.array([[0, 1, 2]]) * 1e-6
    expected[1, 1] = np.nan
    np.testing.assert_allclose(plausible, expected)


def test_calls_that_were_not_streamed_have_no_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    study = planned(tmp_path, monkeypatch, runs=2)
    carry_out(study, store, inline, quiet)
    baseline, streamed = samples_of(study, store)
    assert np.isnan(baseline.metrics["tokens_per_s"]).all()
    assert (streamed.metrics["tokens_per_s"] > 0).all()
    assert (baseline.metrics["ttft_s"] > streamed.metrics["ttft_s"]).all()


def test_a_run_without_a_call_has_no_hit_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    study = planned(tmp_path, monkeypatch, "await asyncio.sleep(1)", runs=2, varied=())
    carry_out(study, store, inline, quiet)
    (sample,) = samples_of(study, store)
    assert list(sample.metrics["total_s"]) == [1.0, 1.0]
    assert np.isnan(sample.metrics["cache_hit_rate"]).all()
    assert np.isnan(sample.metrics["ttft_s"]).all()


def test_what_the_digest_speaks_of_is_the_scenario_its_seed_and_its_arms(study: Study) -> None:
    name, seed, arms = json.loads(describe(study))
    assert (name, seed) == ("small", 1)
    assert [arm["streaming"] for arm in arms] == [False, True]
    assert describe(replace(study, runs=3)) == describe(study)
