"""Inverse CDFs: order kept, medians where they are said to be, moments of textbooks, tables through their knots."""

from __future__ import annotations

from collections import Counter
from math import exp, inf, sqrt
from statistics import fmean, median, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mockllm.core.distributions import (
    Choice,
    Constant,
    Exponential,
    Lognormal,
    LognormalMixture,
    QuantileTable,
    ShiftedLognormal,
    lognormal_sigma,
    microseconds,
    normal_quantile,
)
from mockllm.core.draws import uniforms

UNIFORMS = [u for key in range(2500) for u in uniforms(f"distributions {key}")]
UNIT = st.floats(2.0**-53, 1.0 - 2.0**-53)
KNOTS = st.lists(
    st.tuples(st.integers(0, 1000), st.just(0.0) | st.floats(1e-6, 1e4)),
    min_size=2,
    max_size=8,
    unique_by=lambda knot: knot[0],
).map(sorted)

MONOTONE = [
    Constant(0.7),
    Exponential(2.0),
    Lognormal(0.5, 0.4),
    ShiftedLognormal(0.3, 0.2, 0.6),
    QuantileTable((0.0, 0.1, 0.5, 1.0), (0.0, 0.2, 0.2, 9.0)),
    Choice((1.0, 2.0, 3.0), (5.0, 0.0, 1.0)),
]


def table_of(knots: list[tuple[int, float]]) -> QuantileTable:
    values = sorted(value for _, value in knots)
    return QuantileTable(tuple(level / 1000 for level, _ in knots), tuple(values))


@pytest.mark.parametrize("distribution", MONOTONE)
@given(one=UNIT, other=UNIT)
def test_a_larger_uniform_never_gives_a_smaller_value(distribution, one, other) -> None:
    low, high = sorted((one, other))
    assert distribution.quantile(low) <= distribution.quantile(high)


@given(st.floats(0.001, 100.0), st.floats(0.0, 2.0), st.floats(0.0, 10.0))
def test_half_of_the_values_lie_below_the_median(median_s, sigma, shift) -> None:
    assert Lognormal(median_s, sigma).quantile(0.5) == median_s
    assert ShiftedLognormal(shift, median_s, sigma).quantile(0.5) == shift + median_s


@pytest.mark.parametrize(
    ("distribution", "mean", "spread"),
    [
        (Exponential(2.0), 2.0, 2.0),
        (Lognormal(0.5, 0.4), 0.5 * exp(0.08), 0.5 * exp(0.08) * sqrt(exp(0.16) - 1)),
        (ShiftedLognormal(0.3, 0.2, 0.6), 0.3 + 0.2 * exp(0.18), 0.2 * exp(0.18) * sqrt(exp(0.36) - 1)),
    ],
)
def test_moments_over_many_keys_are_those_of_the_textbook(distribution, mean, spread) -> None:
    values = [distribution.quantile(u) for u in UNIFORMS]
    assert fmean(values) == pytest.approx(mean, rel=0.02)
    assert pstdev(values) == pytest.approx(spread, rel=0.05)


@given(st.floats(0.001, 3.0))
def test_a_lognormal_has_the_coefficient_of_variation_that_its_sigma_was_made_from(cv) -> None:
    assert sqrt(exp(lognormal_sigma(cv) ** 2) - 1) == pytest.approx(cv)


def test_a_mixture_takes_each_component_in_its_share() -> None:
    values = [LognormalMixture(0.1, 1.0, 0.2, 50.0, 0.2).quantile(u) for u in UNIFORMS]
    first, second = [value for value in values if value < 7], [value for value in values if value >= 7]
    assert len(second) / len(values) == pytest.approx(0.1, abs=0.01)
    assert stats.kstest(first, stats.lognorm(0.2, scale=1.0).cdf).pvalue > 0.01
    assert stats.kstest(second, stats.lognorm(0.2, scale=50.0).cdf).pvalue > 0.01


@given(UNIT, st.sampled_from([0.0, 2.0**-53, 0.5, 1.0 - 2.0**-53, 1.0]))
def test_a_mixture_is_finite_everywhere_and_at_its_limits_one_component(u, weight) -> None:
    value = LognormalMixture(weight, 1.0, 0.3, 4.0, 0.5).quantile(u)
    assert 0.0 < value < inf
    if weight in (0.0, 1.0):
        alone = Lognormal(4.0, 0.5) if weight else Lognormal(1.0, 0.3)
        assert value == pytest.approx(alone.quantile(u))


@given(KNOTS)
def test_a_quantile_table_passes_through_its_knots(knots) -> None:
    table = table_of(knots)
    assert [table.quantile(level) for level in table.levels] == list(table.values)


@given(KNOTS, UNIT, UNIT)
def test_a_quantile_table_ascends_and_stays_between_its_ends(knots, one, other) -> None:
    table = table_of(knots)
    low, high = sorted((one, other))
    first, last = table.values[0], table.values[-1]
    tiny = 1.0 + 1e-12  # exp(log) may miss the next knot in its last digits
    assert first <= table.quantile(low) <= table.quantile(high) * tiny
    assert table.quantile(high) <= last * tiny


def test_a_quantile_table_joins_its_knots_on_a_logarithmic_scale_and_from_zero_on_a_straight_one() -> None:
    table = QuantileTable((0.0, 0.5, 1.0), (0.0, 1.0, 100.0))
    assert table.quantile(0.25) == 0.5
    assert table.quantile(0.75) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("levels", "values"),
    [
        ((0.0,), (1.0,)),
        ((0.0, 1.0), (1.0,)),
        ((0.5, 0.5), (1.0, 2.0)),
        ((1.0, 0.0), (1.0, 2.0)),
        ((0.0, 1.0), (2.0, 1.0)),
    ],
)
def test_a_quantile_table_that_does_not_ascend_is_refused(levels, values) -> None:
    with pytest.raises(ValueError, match="quantile table"):
        QuantileTable(levels, values)


def test_a_choice_takes_each_value_as_often_as_its_weight_says() -> None:
    choice = Choice((10.0, 20.0, 30.0, 40.0), (1.0, 0.0, 3.0, 4.0))
    counts = Counter(choice.quantile(u) for u in UNIFORMS)
    assert set(counts) == {10.0, 30.0, 40.0}
    expected = [len(UNIFORMS) * share / 8 for share in (1, 3, 4)]
    assert stats.chisquare([counts[10.0], counts[30.0], counts[40.0]], expected).pvalue > 0.01


def test_a_choice_gives_each_value_exactly_its_part_of_the_unit_interval() -> None:
    choice = Choice((1.0, 2.0, 3.0), (1.0, 1.0, 2.0))
    levels = (2.0**-53, 0.25 - 2.0**-53, 0.25, 0.5 - 2.0**-53, 0.5, 1.0 - 2.0**-53)
    assert [choice.quantile(u) for u in levels] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("values", "weights"), [((), ()), ((1.0,), (0.0,)), ((1.0, 2.0), (1.0,)), ((1.0, 2.0), (2.0, -1.0))]
)
def test_a_choice_without_proper_weights_is_refused(values, weights) -> None:
    with pytest.raises(ValueError, match="weight"):
        Choice(values, weights)


@given(st.floats(-10.0, 1e6))
def test_a_duration_is_the_nearest_whole_microsecond_and_never_negative(seconds) -> None:
    duration_us = microseconds(seconds)
    assert type(duration_us) is int
    assert duration_us >= 0
    if seconds >= 0:
        assert abs(duration_us - seconds * 1e6) <= 0.5


# The last digits of exp and log differ between libraries; the whole microseconds of these draws may not.
@pytest.mark.parametrize(
    ("distribution", "durations_us"),
    [
        (Lognormal(0.5, 0.4), [45399, 197171, 381768, 500000, 654849, 1267938, 13338669]),
        (ShiftedLognormal(0.3, 0.2, 0.6), [305472, 349527, 433436, 500000, 599769, 1107648, 27857749]),
        (Exponential(2.0), [0, 20101, 575364, 1386294, 2772589, 9210340, 73473601]),
        (LognormalMixture(0.1, 1.0, 0.3, 4.0, 0.5), [241785, 2107534, 748094, 958953, 1193436, 1985686, 11738345]),
    ],
)
def test_the_microseconds_of_a_draw_are_those_written_down(distribution, durations_us) -> None:
    levels = (1e-9, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0 - 2.0**-53)
    assert [microseconds(distribution.quantile(u)) for u in levels] == durations_us


def test_normal_quantiles_over_many_keys_are_normal() -> None:
    values = [normal_quantile(u) for u in UNIFORMS]
    assert stats.kstest(values, "norm").pvalue > 0.01
    assert median(values) == pytest.approx(0.0, abs=0.02)
