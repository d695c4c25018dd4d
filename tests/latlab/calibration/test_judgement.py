from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from latlab.calibration.judgement import judge
from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel

Recorder = Callable[..., Recording]


def test_the_model_that_made_the_rows_errs_as_chance_does(record: Recorder, spiky: TtftModel) -> None:
    within = [judge(spiky, record(spiky, 40, seed=seed)) for seed in range(5)]
    assert sum(error.p50 <= error.noise_p50 for error in within) >= 4
    assert sum(error.p95 <= error.noise_p95 for error in within) >= 4


def test_a_model_that_is_wrong_by_half_is_seen(record: Recorder, spiky: TtftModel) -> None:
    rows = record(spiky, 40)
    slower = replace(spiky, intercept_s=0.75, uncached_s_per_1k=0.018)
    error = judge(slower, rows)
    assert error.p50 == pytest.approx(1 / 3, abs=0.06)
    assert error.p50 > error.noise_p50
    calm = judge(replace(spiky, probability=0.0), rows)
    assert calm.p95 > calm.noise_p95


def test_more_rows_are_less_noisy_and_the_noise_is_always_the_same(record: Recorder, spiky: TtftModel) -> None:
    few, many = record(spiky, 20), record(spiky, 80)
    assert judge(spiky, many).noise_p50 < judge(spiky, few).noise_p50
    assert judge(spiky, few) == judge(spiky, few)
