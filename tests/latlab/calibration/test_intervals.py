from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from latlab.calibration import intervals
from latlab.calibration.estimation import Form, choose
from latlab.calibration.intervals import _bootstrap, fit_ttft
from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel

Recorder = Callable[..., Recording]
LINE = Form("shifted_lognormal", spikes=True, curved=False)


def test_intervals_hold_what_made_the_rows(record: Recorder, spiky: TtftModel) -> None:
    held = []
    for seed in range(3):
        recording = record(spiky, 120, seed=seed)
        line = next(fit for fit in choose(recording) if fit.form == LINE)
        intervals = _bootstrap(recording, line, replicates=30)
        for name in ("intercept_s", "uncached_s_per_1k", "probability", "mean_s"):
            low, high = intervals[name]
            assert low < high
            held.append(low <= getattr(spiky, name) <= high)
    # Twelve intervals that hold with about 90 % each (percentiles of a small bootstrap): two misses are within reason.
    assert sum(held) >= 10


def test_the_same_rows_give_the_same_intervals(record: Recorder, spiky: TtftModel) -> None:
    recording = record(replace(spiky, probability=0.0), 40)
    first, second = (fit_ttft(recording, replicates=5) for _ in range(2))
    assert first.intervals == second.intervals
    assert first.chosen.model == second.chosen.model


def test_a_curve_whose_interval_holds_zero_is_refused(
    record: Recorder, spiky: TtftModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record(replace(spiky, probability=0.0, uncached_s_per_1k2=2e-5), 40)
    curve = fit_ttft(recording, replicates=5)
    assert curve.chosen.form.curved
    assert curve.refused is None
    real = intervals._bootstrap
    monkeypatch.setattr(intervals, "_bootstrap", lambda *told: real(*told) | {"uncached_s_per_1k2": (-1e-6, 3e-5)})
    refused = fit_ttft(recording, replicates=5)
    assert not refused.chosen.form.curved
    assert refused.refused is not None
    assert refused.refused.form.curved


def test_of_forms_equally_supported_the_simplest_is_chosen(record: Recorder, spiky: TtftModel) -> None:
    fit = fit_ttft(record(replace(spiky, probability=0.0), 60), replicates=3)
    supported = [form for form in fit.forms if form.aic < fit.forms[0].aic + 2.0]
    assert len(fit.chosen.form.names) == min(len(form.form.names) for form in supported)
    assert fit.forms == sorted(fit.forms, key=lambda form: form.aic)
