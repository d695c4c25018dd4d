"""Carries out a study: what is missing is run, what is finished is kept, and the rows become arrays and a digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from latlab.declaration import as_settings
from latlab.harness.executors import BATCH, Batch, Executor, Plan
from latlab.harness.store import RunKey, Store, StoredRun
from latlab.harness.study import Study, StudyError
from latlab.harness.summary import ArmSamples
from latlab.worlds.run import Outcome, RunRecord

__all__ = ["InterruptedStudyError", "carry_out", "describe", "failures_of", "samples_of"]

Progress = Callable[[int, int], None]
_ROWS_PER_WRITE = 100


class InterruptedStudyError(StudyError):
    """The user stopped the study; what was finished is kept."""


def carry_out(study: Study, store: Store, executor: Executor, progress: Progress) -> None:
    """Run whatever of `study` the store does not hold yet, writing as runs finish.

    Raises `StudyError` where a scenario cannot be run at all, and `InterruptedStudyError` on Ctrl-C.
    """
    done = store.done()
    missing = _missing(study, done)
    total = sum(len(batch.numbers) for batch in missing)
    errors = [f"{error} (kept from an earlier run; --fresh tries again)" for _, error in store.failures()]
    _stop_if_all_failed(study, errors, len(done))
    if not total:
        return
    plan = Plan(
        study.target.given,
        study.world,
        study.profile,
        study.profile_bytes,
        tuple([arm.config for arm in study.arms]),
        study.seed,
        study.toggles,
        study.pace,
    )
    unwritten: list[tuple[RunKey, Outcome]] = []
    finished = 0
    try:
        with closing(executor(plan, missing)) as portions:
            for portion in portions:
                finished += len(portion)
                failed = [outcome for _, outcome in portion if outcome.error is not None]
                if failed:
                    # What cannot end is never stored, so that the same command ends alike however often it is repeated.
                    unwritten.extend([one for one in portion if not one[1].hopeless])
                    errors += [str(outcome.error) for outcome in failed]
                    _stop_if_hopeless(study, failed)
                    _stop_if_all_failed(study, errors, len(done) + finished)
                else:
                    unwritten.extend(portion)
                if len(unwritten) >= _ROWS_PER_WRITE:
                    store.add(unwritten)
                    unwritten = []
                progress(finished, total)
    except KeyboardInterrupt:
        raise InterruptedStudyError(
            f"interrupted after {finished} of {total} runs; they are kept, repeat the command to go on"
        ) from None
    finally:
        store.add(unwritten)


def _stop_if_hopeless(study: Study, failures: Sequence[Outcome]) -> None:
    for outcome in failures:
        # A deadlock or a run without end is the scenario's own fault, not one run's bad luck.
        if outcome.hopeless:
            raise StudyError(f"{study.target.given}: {outcome.error}")


def _stop_if_all_failed(study: Study, errors: Sequence[str], runs: int) -> None:
    if len(errors) >= BATCH and len(errors) == runs:
        raise StudyError(f"{study.target.given}: {errors[0]}")


def _missing(study: Study, done: set[RunKey]) -> list[Batch]:
    batches = []
    loops = [(0, study.runs)]
    if study.plausible:
        loops += [(draw, study.plausible.runs) for draw in range(1, study.plausible.profiles + 1)]
    for plausible, runs in loops:
        for arm in range(len(study.arms)):
            numbers = [number for number in range(runs) if RunKey(arm, plausible, number) not in done]
            batches += [Batch(arm, plausible, tuple(numbers[at : at + BATCH])) for at in range(0, len(numbers), BATCH)]
    return batches


def samples_of(study: Study, store: Store) -> list[ArmSamples]:
    """What each arm measured, from the stored rows. Raises `StudyError` where an arm has not one run that succeeded."""
    runs: list[list[StoredRun]] = [[] for _ in study.arms]
    errors: list[list[str]] = [[] for _ in study.arms]
    plausible = _empty_plausible(study)
    for stored in store.runs():
        key = stored.key
        if key.plausible:
            if plausible is not None and stored.figures is not None:
                figures = stored.figures
                plausible[:, key.arm, key.plausible - 1, key.run] = figures.total_us / 1e6, figures.perceived_us / 1e6
        elif stored.figures is None:
            errors[key.arm].append(stored.error or "")
        else:
            runs[key.arm].append(stored)
    calls = store.call_means()
    samples = []
    for number, arm in enumerate(study.arms):
        if not runs[number]:
            first = errors[number][0] if errors[number] else "none was made"
            raise StudyError(f"{study.target.given}: no run of the arm {arm.label} succeeded: {first}")
        samples.append(
            ArmSamples(
                study.target.name,
                arm.label,
                arm.difference,
                as_settings(arm.config),
                np.array([stored.key.run for stored in runs[number]], dtype=np.int64),
                _metrics(runs[number], calls),
                len(errors[number]),
                *(() if plausible is None else plausible[:, number]),
            )
        )
    return samples


def failures_of(study: Study, store: Store) -> list[dict[str, object]]:
    """The runs that failed, apart from the figures: arm, plausible profile (0: as fitted), run and one line each."""
    return [
        {"label": study.arms[key.arm].label, "plausible": key.plausible, "run": key.run, "error": error}
        for key, error in store.failures()
    ]


def describe(study: Study) -> str:
    """What the digest speaks of besides the figures: the scenario and its arms, in one line of JSON."""
    return json.dumps([study.target.name, study.seed, [as_settings(arm.config) for arm in study.arms]], sort_keys=True)


def _empty_plausible(study: Study) -> NDArray[np.float64] | None:
    if study.plausible is None:
        return None
    return np.full((2, len(study.arms), study.plausible.profiles, study.plausible.runs), np.nan)


def _metrics(
    runs: Sequence[StoredRun], calls: Mapping[tuple[int, int], tuple[float, float | None]]
) -> dict[str, NDArray[np.float64]]:
    nothing = (None, None)
    rows = []
    for stored in runs:
        figures = stored.figures
        assert isinstance(figures, RunRecord)
        ttft, rate = calls.get((stored.key.arm, stored.key.run), nothing)
        hit = figures.read_tokens / figures.prompt_tokens if figures.prompt_tokens else float("nan")
        rows.append((figures.total_us / 1e6, figures.perceived_us / 1e6, ttft, rate, hit, figures.cost_nusd / 1e9))
    columns = np.array(rows, dtype=np.float64).T
    names: Iterable[str] = ("total_s", "perceived_s", "ttft_s", "tokens_per_s", "cache_hit_rate", "cost_usd")
    return dict(zip(names, columns, strict=True))
