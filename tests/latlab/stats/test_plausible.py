from __future__ import annotations

import numpy as np
import pytest

from latlab.stats.plausible import plausible_range, plausible_share

MIXED = np.array([[-0.2, -0.1], [-0.3, 0.1], [0.3, -0.1], [0.2, 0.2]])


def test_share_counts_profiles_whose_mean_has_the_sign_of_the_effect() -> None:
    assert plausible_share(MIXED, -0.5) == 0.5
    assert plausible_share(MIXED[:3], -0.5) == 2 / 3
    assert plausible_share(MIXED[:3], 0.5) == 1 / 3


def test_profile_is_judged_by_its_mean_and_not_by_its_majority_of_runs() -> None:
    assert plausible_share(np.array([[-0.1, -0.1, 0.9]]), 0.1) == 1.0


def test_missing_pairs_are_left_out_of_their_profile() -> None:
    assert plausible_share(np.array([[np.nan, -0.1], [0.2, np.nan]]), -1.0) == 0.5


def test_profile_without_a_pair_counts_against_the_effect() -> None:
    assert plausible_share(np.array([[np.nan, np.nan], [-0.2, -0.1]]), -1.0) == 0.5
    assert plausible_share(np.array([[np.nan, np.nan], [0.0, 0.0]]), 0.0) == 0.5


def test_equal_arms_hold_where_they_are_equal_again() -> None:
    assert plausible_share(np.array([[0.0, 0.0], [-0.1, 0.0]]), 0.0) == 0.5


def test_no_pair_at_all_gives_no_share() -> None:
    assert plausible_share(np.full((3, 2), np.nan), -1.0) is None
    assert plausible_share(np.empty((0, 5)), -1.0) is None


def test_the_range_is_over_profiles_and_not_over_runs() -> None:
    means = np.linspace(-0.2, -0.1, 101)
    noisy = means[:, None] + np.array([0.5, -0.5])  # runs scatter far more than profiles do
    low, high = plausible_range(noisy) or (0.0, 0.0)
    assert (low, high) == pytest.approx((np.exp(-0.195), np.exp(-0.105)))


def test_a_profile_in_which_no_pair_finished_has_no_part_in_the_range() -> None:
    assert plausible_range(np.array([[np.nan, np.nan], [0.0, np.nan]])) == (1.0, 1.0)
    assert plausible_range(np.full((2, 2), np.nan)) is None
