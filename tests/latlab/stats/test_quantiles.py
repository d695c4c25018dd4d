from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from latlab.stats.quantiles import estimate_quantile, interval_ranks, lower_bound_rank, runs_needed

GRID = [(n, q) for n in (6, 20, 72, 100, 200, 400, 1_000) for q in (0.5, 0.95, 0.99)]
durations = st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=400)


@pytest.mark.parametrize(("probability", "n"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_two_sided_interval_exists_from_the_published_number_of_runs(probability: float, n: int) -> None:
    assert runs_needed(probability) == n
    assert interval_ranks(n - 1, probability) is None
    assert interval_ranks(n, probability) is not None


@pytest.mark.parametrize(("probability", "n"), [(0.95, 59), (0.99, 299)])
def test_one_sided_bound_exists_from_the_published_number_of_runs(probability: float, n: int) -> None:
    # An upper bound of the p95 is the mirror image of a lower bound of the p5.
    assert lower_bound_rank(n - 1, 1 - probability) is None
    assert lower_bound_rank(n, 1 - probability) == 1


@pytest.mark.parametrize("probability", [0.01, 0.1, 0.3, 0.5, 0.75, 0.9, 0.95, 0.99])
def test_runs_needed_is_the_first_n_that_a_search_finds(probability: float) -> None:
    assert runs_needed(probability) == next(n for n in range(1_000) if interval_ranks(n, probability))


@pytest.mark.parametrize(("n", "probability"), GRID)
def test_interval_has_95_percent_by_exact_binomial_coverage_and_no_rank_to_spare(n: int, probability: float) -> None:
    ranks = interval_ranks(n, probability)
    if ranks is None:
        assert n < runs_needed(probability)
        return
    lower, upper = ranks
    below = binom(n, probability)
    assert below.cdf(upper - 1) - below.cdf(lower - 1) >= 0.95
    assert below.cdf(lower) > 0.025, "the next higher rank would miss too often"
    assert below.sf(upper - 2) > 0.025, "the next lower rank would miss too often"


@pytest.mark.parametrize(("n", "probability", "coverage"), [(100, 0.95, 0.983), (500, 0.99, 0.980)])
def test_interval_over_covers_in_the_tail_by_as_much_as_published(n: int, probability: float, coverage: float) -> None:
    lower, upper = interval_ranks(n, probability) or (0, 0)
    below = binom(n, probability)
    assert below.cdf(upper - 1) - below.cdf(lower - 1) == pytest.approx(coverage, abs=0.0005)


@pytest.mark.parametrize(("n", "probability"), GRID)
def test_lower_bound_has_95_percent_by_exact_binomial_coverage_and_no_rank_to_spare(n: int, probability: float) -> None:
    rank = lower_bound_rank(n, probability)
    assert rank is not None
    assert binom.cdf(rank - 1, n, probability) <= 0.05 < binom.cdf(rank, n, probability)


@pytest.mark.parametrize(("n", "probability"), [(100, 0.95), (500, 0.99), (30, 0.5)])
def test_simulated_coverage_is_the_exact_binomial_coverage(n: int, probability: float) -> None:
    studies = 2_000
    samples = np.random.default_rng(5).lognormal(0, 0.5, size=(studies, n))
    truth = np.exp(0.5 * _normal_quantile(probability))
    intervals = [estimate_quantile(sample, probability).ci for sample in samples]
    covered = sum(ci is not None and ci[0] <= truth < ci[1] for ci in intervals) / studies
    lower, upper = interval_ranks(n, probability) or (0, 0)
    exact = binom.cdf(upper - 1, n, probability) - binom.cdf(lower - 1, n, probability)
    assert covered == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / studies))


def test_lower_bound_of_an_inestimable_quantile_lies_below_it_in_95_percent_of_studies() -> None:
    studies, n = 4_000, 50
    samples = np.random.default_rng(6).lognormal(0, 0.5, size=(studies, n))
    truth = np.exp(0.5 * _normal_quantile(0.99))
    bounds = [estimate_quantile(sample, 0.99).lower_bound for sample in samples]
    rank = lower_bound_rank(n, 0.99)
    assert rank is not None
    exact = 1 - binom.cdf(rank - 1, n, 0.99)
    held = sum(bound is not None and bound <= truth for bound in bounds) / studies
    assert held == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / studies))


def test_estimable_quantile_is_a_value_with_an_interval() -> None:
    values = np.arange(1.0, 101.0)
    assert estimate_quantile(values, 0.95).to_json() == {"value": 95.05, "ci": [90.0, 100.0]}


def test_inestimable_quantile_says_what_is_known_instead() -> None:
    values = np.arange(1.0, 101.0)
    assert estimate_quantile(values, 0.99).to_json() == {
        "value": None,
        "lower_bound": 97.0,
        "max": 100.0,
        "needs_n": 368,
    }


def test_single_run_bounds_the_p95_from_below_and_not_the_median() -> None:
    assert estimate_quantile(np.array([3.0]), 0.95).lower_bound == 3.0
    assert estimate_quantile(np.array([3.0]), 0.5).to_json() == {
        "value": None,
        "lower_bound": None,
        "max": 3.0,
        "needs_n": 6,
    }


def test_empty_sample_knows_nothing_but_what_it_needs() -> None:
    nothing = {"value": None, "lower_bound": None, "max": None, "needs_n": 72}
    assert estimate_quantile(np.array([]), 0.95).to_json() == nothing


@given(durations, st.sampled_from([0.5, 0.95, 0.99]))
def test_value_lies_in_its_interval_and_bounds_are_values_of_the_sample(
    figures: list[float], probability: float
) -> None:
    quantile = estimate_quantile(np.array(figures), probability)
    assert (quantile.value is None) == (quantile.ci is None) == (len(figures) < quantile.needs_n)
    assert quantile.max == max(figures)
    assert quantile.lower_bound is None or quantile.lower_bound in figures
    if quantile.value is not None and quantile.ci is not None:
        assert quantile.ci[0] <= quantile.value <= quantile.ci[1]
        assert set(quantile.ci) <= set(figures)


@given(durations, st.randoms(use_true_random=False))
def test_order_of_the_runs_changes_nothing(figures: list[float], shuffler: random.Random) -> None:
    shuffled = list(figures)
    shuffler.shuffle(shuffled)
    assert estimate_quantile(np.array(shuffled), 0.95) == estimate_quantile(np.array(figures), 0.95)


def _normal_quantile(probability: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)
