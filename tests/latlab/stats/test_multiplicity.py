from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from latlab.stats.multiplicity import adjust_by_benjamini_hochberg, adjust_by_holm
from latlab.stats.paired import geometric_mean_ratio

if TYPE_CHECKING:
    from collections.abc import Callable


def test_holm_multiplies_each_p_by_the_hypotheses_still_standing() -> None:
    assert adjust_by_holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_benjamini_hochberg_multiplies_each_p_by_count_over_rank() -> None:
    assert adjust_by_benjamini_hochberg([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.03])


@pytest.mark.parametrize("adjust", [adjust_by_holm, adjust_by_benjamini_hochberg])
def test_what_was_not_tested_stays_none_and_is_not_counted(
    adjust: Callable[[list[float | None]], list[float | None]],
) -> None:
    assert adjust([None, 0.01, None, 0.02]) == pytest.approx([None, 0.02, None, 0.02])
    assert adjust([None]) == [None]
    assert adjust([]) == []


@settings(max_examples=30)  # an example takes the other implementation 20 ms
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_both_agree_with_an_independent_implementation(p_values: list[float]) -> None:
    assert adjust_by_holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())
    by_rank = multipletests(p_values, method="fdr_bh")[1].tolist()
    assert adjust_by_benjamini_hochberg(p_values) == pytest.approx(by_rank)


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
