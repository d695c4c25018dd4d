from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, ttest_rel

from latlab.stats.bootstrap import resample_counts
from latlab.stats.paired import Ratio, geometric_mean_ratio, log_ratios, quantile_ratios

duration = st.integers(1, 10**9).map(lambda microseconds: microseconds / 1e6)
pairs = st.lists(st.tuples(duration, duration), min_size=2, max_size=120)
PROBABILITIES = (0.5, 0.95, 0.99)


def arms(n: int, seed: int, *, effect: float = 0.9, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    baseline = rng.lognormal(0, 0.5, n)
    return baseline * effect * rng.lognormal(0, noise, n), baseline


def test_log_ratios_are_defined_where_both_took_time() -> None:
    arm = np.array([[2.0, 0.0, np.nan], [3.0, -1.0, 1.0]])
    baseline = np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 0.0]])
    expected = [[math.log(2), np.nan, np.nan], [0.0, np.nan, np.nan]]
    np.testing.assert_array_equal(log_ratios(arm, baseline), expected)


def test_geometric_mean_agrees_with_a_paired_t_test_on_logs() -> None:
    arm, baseline = arms(30, 1)
    ours = geometric_mean_ratio(arm, baseline)
    theirs = ttest_rel(np.log(arm), np.log(baseline))
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.ci == pytest.approx((math.exp(interval.low), math.exp(interval.high)), rel=1e-9)
    assert ours.ratio == pytest.approx(np.exp(np.mean(np.log(arm))) / np.exp(np.mean(np.log(baseline))))


@pytest.mark.parametrize("n", [5, 30])
def test_geometric_mean_interval_covers_95_percent_on_lognormal_runs(n: int) -> None:
    studies = 2_000
    covered = 0
    for study in range(studies):
        ci = geometric_mean_ratio(*arms(n, study, effect=0.8, noise=0.3)).ci
        covered += ci is not None and ci[0] <= 0.8 <= ci[1]
    assert covered / studies == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / studies))


@pytest.mark.parametrize("n", [1, 2, 400])
def test_identical_arms_are_identical_and_never_nan(n: int) -> None:
    _, baseline = arms(n, 2)
    assert geometric_mean_ratio(baseline, baseline.copy()) == Ratio(1.0, (1.0, 1.0), 1.0, n, identical=True)
    for ratio in quantile_ratios(baseline, baseline.copy(), PROBABILITIES, seed=1):
        assert ratio.identical
        assert (ratio.ratio, ratio.ci) in {(1.0, (1.0, 1.0)), (None, None)}


def test_arms_that_differ_in_one_run_are_not_identical() -> None:
    arm, baseline = np.array([1.0, 2.0, 3.000001]), np.array([1.0, 2.0, 3.0])
    assert not geometric_mean_ratio(arm, baseline).identical
    assert not any(ratio.identical for ratio in quantile_ratios(arm, baseline, PROBABILITIES, seed=1))


def test_no_pair_gives_no_ratio_and_says_why() -> None:
    empty = np.array([])
    for ratio in (geometric_mean_ratio(empty, empty), *quantile_ratios(empty, empty, PROBABILITIES, seed=1)):
        assert ratio == Ratio(None, None, None, 0, reason="no run succeeded in both arms")


def test_one_pair_gives_a_ratio_without_interval() -> None:
    ratio = geometric_mean_ratio(np.array([1.0]), np.array([2.0]))
    assert (ratio.ratio, ratio.ci, ratio.p) == (0.5, None, None)
    assert ratio.reason == "one pair of runs has no interval"


def test_constant_ratio_is_certain() -> None:
    baseline = np.array([1.0, 2.0, 4.0])
    assert geometric_mean_ratio(baseline * 0.5, baseline) == Ratio(0.5, (0.5, 0.5), 0.0, 3)


def test_run_that_took_no_time_has_no_ratio_and_says_why() -> None:
    arm, baseline = np.array([0.0, *np.ones(99)]), np.ones(100)
    for ratio in (geometric_mean_ratio(arm, baseline), *quantile_ratios(arm, baseline, [0.5], seed=1)):
        assert ratio.ratio is None
        assert ratio.reason == "a run took no time, and a ratio to nothing is not defined"


@pytest.mark.parametrize(("probability", "needed"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_ratio_of_an_inestimable_quantile_is_not_printed(probability: float, needed: int) -> None:
    (short,) = quantile_ratios(*arms(needed - 1, 3), [probability], seed=1)
    assert (short.ratio, short.ci) == (None, None)
    expected = f"p{100 * probability:g} is not estimable at n={needed - 1}; it needs n={needed}"
    assert short.reason == expected
    (enough,) = quantile_ratios(*arms(needed, 3), [probability], seed=1)
    assert enough.ratio is not None
    assert enough.ci is not None
    assert enough.reason is None


def test_tail_ratio_from_few_runs_carries_a_note() -> None:
    def noted(probability: float, n: int) -> bool:
        return quantile_ratios(*arms(n, 4), [probability], seed=1)[0].note is not None

    assert not noted(0.5, 10), "a median is no tail"
    assert noted(0.95, 199)
    assert not noted(0.95, 200)
    assert noted(0.99, 999)
    assert not noted(0.99, 1_000)


def test_quantile_interval_agrees_with_an_independent_paired_bootstrap() -> None:
    arm, baseline = arms(200, 5)

    def log_ratio(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.log(np.quantile(a, 0.95, axis=axis) / np.quantile(b, 0.95, axis=axis))

    theirs = bootstrap(
        (arm, baseline), log_ratio, paired=True, n_resamples=4_000, method="percentile", rng=6
    ).confidence_interval
    (ours,) = quantile_ratios(arm, baseline, [0.95], seed=1)
    assert ours.ratio == pytest.approx(np.quantile(arm, 0.95) / np.quantile(baseline, 0.95))
    assert ours.ci is not None
    width = theirs.high - theirs.low
    assert np.log(ours.ci) == pytest.approx([theirs.low, theirs.high], abs=0.06 * width)


def test_quantile_interval_holds_the_middle_95_percent_of_the_resamples() -> None:
    arm, baseline = arms(80, 10)
    logs = [
        np.log(np.quantile(np.repeat(arm, row), 0.95) / np.quantile(np.repeat(baseline, row), 0.95))
        for row in resample_counts(80, 1, "paired bootstrap")
    ]
    (ratio,) = quantile_ratios(arm, baseline, [0.95], seed=1)
    assert ratio.ci == pytest.approx(np.exp(np.quantile(logs, [0.025, 0.975])))


def test_pairs_stay_together_when_resampled() -> None:
    arm, baseline = arms(300, 7, noise=0.02)
    together, apart = (
        quantile_ratios(order, baseline, [0.5], seed=1)[0].ci
        for order in (arm, np.random.default_rng(8).permutation(arm))
    )
    assert together is not None
    assert apart is not None
    assert math.log(together[1] / together[0]) < 0.4 * math.log(apart[1] / apart[0])


@pytest.mark.parametrize(("probability", "n"), [(0.5, 40), (0.95, 100)])
def test_bootstrap_interval_covers_about_95_percent_for_independent_runs(probability: float, n: int) -> None:
    studies = 200
    rng = np.random.default_rng(9)
    covered = 0
    for arm, baseline in rng.lognormal(0, 0.5, size=(studies, 2, n)):
        (ratio,) = quantile_ratios(0.9 * arm, baseline, [probability], seed=1)
        covered += ratio.ci is not None and ratio.ci[0] <= 0.9 <= ratio.ci[1]
    assert 0.90 <= covered / studies <= 0.995


@given(pairs)
def test_swapped_arms_have_the_reciprocal_ratio(figures: list[tuple[float, float]]) -> None:
    arm, baseline = np.array(figures).T
    for one, other in zip(every_ratio(arm, baseline), every_ratio(baseline, arm), strict=True):
        assert (one.ratio is None) == (other.ratio is None)
        if one.ratio and other.ratio and one.ci and other.ci:
            assert one.ratio * other.ratio == pytest.approx(1)
            assert one.ci[0] * other.ci[1] == pytest.approx(1)
            assert one.ci[1] * other.ci[0] == pytest.approx(1)
            assert one.p == pytest.approx(other.p)


@given(pairs, st.sampled_from([0.25, 0.5, 3.0, 1e3]))
def test_scaling_the_arm_scales_every_ratio_and_interval(figures: list[tuple[float, float]], factor: float) -> None:
    arm, baseline = np.array(figures).T
    for one, scaled in zip(every_ratio(arm, baseline), every_ratio(factor * arm, baseline), strict=True):
        if one.ratio and scaled.ratio and one.ci and scaled.ci:
            assert scaled.ratio == pytest.approx(factor * one.ratio)
            assert scaled.ci == pytest.approx((factor * one.ci[0], factor * one.ci[1]))


@given(pairs)
def test_ratio_lies_in_its_interval_and_the_p_value_agrees_with_it(
    figures: list[tuple[float, float]],
) -> None:
    ratio = geometric_mean_ratio(*np.array(figures).T)
    assert ratio.ratio is not None
    assert ratio.ci is not None
    assert ratio.p is not None
    assert ratio.ci[0] <= ratio.ratio <= ratio.ci[1]
    nearest = min(abs(math.log(bound)) for bound in ratio.ci)
    if nearest > 1e-9:
        assert (ratio.p < 0.05) == (not ratio.ci[0] <= 1 <= ratio.ci[1])


def every_ratio(arm: np.ndarray, baseline: np.ndarray) -> list[Ratio]:
    return [geometric_mean_ratio(arm, baseline), *quantile_ratios(arm, baseline, PROBABILITIES, seed=1)]
