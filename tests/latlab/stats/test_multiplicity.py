from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latlab.stats.multiplicity import adjust_by_holm
from latlab.stats.paired import geometric_mean_ratio


def test_holm_multiplies_each_p_by_the_hypotheses_still_standing() -> None:
    assert adjust_by_holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_what_was_not_tested_stays_none_and_is_not_counted() -> None:
    assert adjust_by_holm([None, 0.01, None, 0.02]) == pytest.approx([None, 0.02, None, 0.02])
    assert adjust_by_holm([None, 0.01]) == [None, 0.01]
    assert adjust_by_holm([None]) == [None]
    assert adjust_by_holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_an_adjusted_p_is_never_smaller_never_above_one_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = [p for p in adjust_by_holm(p_values) if p is not None]
    assert all(before <= after <= 1.0 for before, after in zip(p_values, adjusted, strict=True))
    by_p = sorted(zip(p_values, adjusted, strict=True))
    assert [after for _, after in by_p] == sorted(adjusted)


def test_holm_holds_36_comparisons_of_equal_arms_to_5_percent_of_studies() -> None:
    rng = np.random.default_rng(10)
    studies, comparisons, n = 300, 36, 20
    uncorrected = holm = 0
    for _ in range(studies):
        arms = rng.lognormal(0, 0.5, size=(comparisons, 2, n))  # independent seeds: A and A again
        p_values = [geometric_mean_ratio(arm, baseline).p for arm, baseline in arms]
        uncorrected += any(p is not None and p < 0.05 for p in p_values)
        holm += any(p is not None and p < 0.05 for p in adjust_by_holm(p_values))
    assert uncorrected / studies > 0.5
    assert 0 < holm / studies < 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)
