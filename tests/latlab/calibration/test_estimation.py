from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from latlab.calibration.estimation import CACHED_SHARE, Form, choose, estimate, theil_sen
from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel

Recorder = Callable[..., Recording]
SKEWED = TtftModel(intercept_s=0.5, uncached_s_per_1k=0.012, cached_s_per_1k=0.0, sigma=0.9, shift=0.7)
MIXED = TtftModel(
    intercept_s=0.5, uncached_s_per_1k=0.012, cached_s_per_1k=0.0, sigma=0.04, weight=0.3, ratio_2=2.0, sigma_2=0.15
)
LINE = Form("shifted_lognormal", spikes=True, curved=False)


def start(form: Form) -> list[np.ndarray]:
    values = {
        "intercept_s": 0.3,
        "uncached_s_per_1k": np.log(0.01),
        "cached_s_per_1k": 0.001,
        "bend": 0.0,
        "shift": 0.5,
        "sigma": np.log(0.2),
        "probability": np.log(0.2),
        "mean_s": 0.0,
    }
    return [np.array([values[name] for name in form.names])]


def test_theil_sen_is_not_moved_by_rows_far_off_the_line() -> None:
    uncached_k = np.arange(1.0, 41.0)
    ttft_s = 2.0 + 0.5 * uncached_k
    ttft_s[::5] += 100.0
    intercept, slope = theil_sen(uncached_k, ttft_s)
    assert slope == pytest.approx(0.5, abs=0.05)
    assert intercept == pytest.approx(2.0, abs=1.5)


def test_aic_picks_the_skewed_residual_where_it_made_the_rows(record: Recorder) -> None:
    fits = {(fit.form.family, fit.form.spikes, fit.form.curved): fit for fit in choose(record(SKEWED, 120))}
    skewed = fits["shifted_lognormal", False, False]
    assert skewed.aic < fits["lognormal_mixture", False, False].aic
    assert skewed.model.uncached_s_per_1k == pytest.approx(0.012, rel=0.05)


def test_aic_picks_the_mixture_where_it_made_the_rows(record: Recorder) -> None:
    best = choose(record(MIXED, 120))[0]
    assert best.form.family == "lognormal_mixture"
    assert best.model.ratio_2 == pytest.approx(2.0, rel=0.1)
    assert best.model.weight == pytest.approx(0.3, abs=0.1)


def test_spikes_are_told_from_the_residual(record: Recorder, spiky: TtftModel) -> None:
    model = estimate(record(spiky, 300), LINE, start(LINE)).model
    assert model.probability == pytest.approx(0.25, abs=0.07)
    assert model.mean_s == pytest.approx(1.5, rel=0.3)
    assert model.intercept_s == pytest.approx(0.5, abs=0.05)
    assert model.uncached_s_per_1k == pytest.approx(0.012, rel=0.02)


def test_spikes_win_by_aic_where_there_are_some(record: Recorder, spiky: TtftModel) -> None:
    recording = record(spiky, 300)
    without = replace(LINE, spikes=False)
    assert estimate(recording, LINE, start(LINE)).aic < estimate(recording, without, start(without)).aic - 10.0


def test_a_tenth_of_rows_gone_wild_leave_the_slope(record: Recorder) -> None:
    recording = record(SKEWED, 200)
    wild = recording.ttft_s.copy()
    wild[::10] += 60.0
    model = estimate(replace(recording, ttft_s=wild), LINE, start(LINE)).model
    assert model.uncached_s_per_1k == pytest.approx(0.012, rel=0.05)


def test_a_curve_is_found(record: Recorder) -> None:
    recording = record(replace(SKEWED, uncached_s_per_1k2=1e-5), 150)
    curve = replace(LINE, spikes=False, curved=True)
    line = replace(LINE, spikes=False)
    found = estimate(recording, curve, start(curve))
    assert found.model.uncached_s_per_1k2 == pytest.approx(1e-5, rel=0.3)
    assert found.aic < estimate(recording, line, start(line)).aic - 10.0


def test_cached_cost_is_fitted_only_where_cached_lengths_vary(record: Recorder) -> None:
    truth = replace(SKEWED, cached_s_per_1k=0.004)
    varied = record(truth, 120, cached_k=(0.0, 40.0, 200.0))
    form = Form("shifted_lognormal", spikes=False, curved=False, cached=True)
    assert estimate(varied, form, start(form)).model.cached_s_per_1k == pytest.approx(0.004, rel=0.2)
    assert all(fit.form.cached for fit in choose(varied))
    constant = estimate(record(truth, 120, cached_k=(2.0,)), LINE, start(LINE)).model
    assert constant.cached_s_per_1k == pytest.approx(constant.uncached_s_per_1k * CACHED_SHARE)


def test_weights_count_rows(record: Recorder) -> None:
    recording = record(SKEWED, 60)
    doubled = recording.rows(np.repeat(np.arange(60), 2))
    form = replace(LINE, spikes=False)
    weighted = estimate(recording, form, start(form), np.full(60, 2.0)).model
    assert weighted.uncached_s_per_1k == pytest.approx(
        estimate(doubled, form, start(form)).model.uncached_s_per_1k, rel=1e-4
    )


def test_the_last_digit_of_the_rows_steers_nothing(record: Recorder, spiky: TtftModel) -> None:
    recording = record(spiky, 90)
    nudged = replace(recording, ttft_s=recording.ttft_s * (1.0 + 1e-14 * np.cos(np.arange(90))))
    first, second = (estimate(rows, LINE, start(LINE)).point for rows in (recording, nudged))
    assert first == pytest.approx(second, abs=1e-5)
