from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from latlab.calibration.estimation import Estimate, Form
from latlab.calibration.fitted_profile import dataset, fitted_profile, rounded_model
from latlab.calibration.intervals import Fit
from latlab.calibration.priors import prior_for
from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel
from mockllm.core.profile import Profile

Recorder = Callable[..., Recording]
LINE = Form("shifted_lognormal", spikes=True, curved=False)


def profile_of(model: TtftModel, recording: Recording, form: Form = LINE) -> Profile:
    estimate = Estimate(form, model, np.zeros(0), 0.0)
    intervals = {
        field.name: (0.9 * getattr(model, field.name), 1.1 * getattr(model, field.name)) for field in fields(TtftModel)
    }
    return fitted_profile(Fit(estimate, intervals, [estimate]), model, recording, recording, prior_for("own-model"))


def test_an_intercept_below_every_recorded_length_is_extrapolated(record: Recorder, spiky: TtftModel) -> None:
    intercept = profile_of(spiky, record(spiky, 30, cached_k=(2.0,))).ttft.intercept_s
    assert intercept.evidence == "extrapolated"
    assert intercept.interval == (0.0, pytest.approx(0.5 + 0.012 * 10.0))
    assert "10,000 uncached tokens" in intercept.reason
    assert "[0.45, 0.55]" in intercept.reason
    assert "2,000 cached tokens" in intercept.reason


def test_an_intercept_that_short_prompts_show_is_measured(record: Recorder, spiky: TtftModel) -> None:
    recording = record(spiky, 30)
    short = replace(recording, uncached_k=recording.uncached_k - 9.5)
    intercept = profile_of(spiky, short).ttft.intercept_s
    assert (intercept.evidence, intercept.interval) == ("measured", (0.45, 0.55))


def test_cached_cost_is_assumed_until_it_is_fitted(record: Recorder, spiky: TtftModel) -> None:
    model = replace(spiky, cached_s_per_1k=0.0015)
    assert profile_of(model, record(model, 30)).ttft.cached_s_per_1k.evidence == "assumed"
    fitted = profile_of(model, record(model, 30), replace(LINE, cached=True)).ttft.cached_s_per_1k
    assert (fitted.evidence, fitted.n) == ("measured", 30)


def test_the_form_decides_which_parameters_there_are(record: Recorder, spiky: TtftModel) -> None:
    model = replace(spiky, uncached_s_per_1k2=1e-6, weight=0.1, ratio_2=1.5, sigma_2=0.2)
    full = profile_of(model, record(model, 30), Form("lognormal_mixture", spikes=True, curved=True)).ttft
    assert full.uncached_s_per_1k2 is not None
    assert full.spike is not None
    assert full.residual.ratio_2 is not None
    bare = profile_of(model, record(model, 30), Form("shifted_lognormal", spikes=False, curved=False)).ttft
    assert (bare.uncached_s_per_1k2, bare.spike, bare.residual.ratio_2) == (None, None, None)


@pytest.mark.parametrize(
    ("interval", "evidence", "told"),
    [
        ((0.1, 0.5), "measured", ""),
        ((0.0, 0.5), "measured", "the interval ends at the least that the fit allows"),
        ((0.1, 0.9), "measured", "the interval ends at the most that the fit allows"),
        ((0.0, 0.9), "assumed", "the rows do not tell it: every value that the fit allows lies within the interval"),
    ],
)
def test_an_interval_that_ends_where_the_fit_had_to_stop_says_so(
    interval: tuple[float, float], evidence: str, told: str, record: Recorder, spiky: TtftModel
) -> None:
    model = replace(spiky, shift=0.3)
    intervals = {field.name: (getattr(model, field.name),) * 2 for field in fields(TtftModel)} | {"shift": interval}
    estimate = Estimate(LINE, model, np.zeros(0), 0.0)
    recording = record(model, 30)
    fit = Fit(estimate, intervals, [estimate])
    shift = fitted_profile(fit, model, recording, recording, prior_for("own-model")).ttft.residual.shift
    assert shift is not None
    assert (shift.evidence, shift.reason, shift.interval) == (evidence, told, interval)


def test_a_second_component_that_is_no_wider_than_the_first_says_so(record: Recorder, spiky: TtftModel) -> None:
    model = replace(spiky, sigma=0.1, weight=0.1, ratio_2=1.5, sigma_2=0.1)
    mixture = Form("lognormal_mixture", spikes=False, curved=False)
    sigma_2 = profile_of(model, record(model, 30), mixture).ttft.residual.sigma_2
    assert sigma_2 is not None
    assert "the least that the fit allows" in sigma_2.reason


def test_an_interval_that_misses_its_value_is_stretched_to_it(record: Recorder, spiky: TtftModel) -> None:
    estimate = Estimate(LINE, spiky, np.zeros(0), 0.0)
    intervals = {field.name: (0.5, 0.6) for field in fields(TtftModel)}
    fit = Fit(estimate, intervals, [estimate])
    recording = record(spiky, 30)
    slope = fitted_profile(fit, spiky, recording, recording, prior_for("own-model")).ttft.uncached_s_per_1k
    assert slope.interval == (0.012, 0.6)


def test_digits_beyond_the_fourth_and_traces_of_zero_are_dropped(spiky: TtftModel) -> None:
    rounded = rounded_model(replace(spiky, intercept_s=0.123456, shift=1.4e-20))
    assert (rounded.intercept_s, rounded.shift) == (0.1235, 0.0)


def test_a_known_dataset_is_cited_with_commit_and_licence() -> None:
    cited = dataset("epoch-research/ttft-latency-scaling")
    assert "@cf1e462" in cited
    assert "MIT" in cited
    assert dataset("my gateway") == "my gateway"
    assert "no source" in dataset("")
