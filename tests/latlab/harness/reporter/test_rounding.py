from __future__ import annotations

import pytest

from latlab.harness.reporter.rounding import (
    figure,
    money,
    p_value,
    percent,
    ratio_with_interval,
    with_interval,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (8.8, "8.80"), (9.996, "10.0"), (14.24, "14.2"), (131.4, "131"), (1234.5, "1234"),
     (0.012345, "0.0123"), (-0.5, "-0.500"), (3.21e-7, "3.21e-07")],
)  # fmt: skip
def test_three_significant_digits_and_whole_numbers_in_full(value: float, text: str) -> None:
    assert figure(value) == text


def test_money_is_in_dollars() -> None:
    assert money(0.012345) == "$0.0123"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0001, "<0.1 %"), (0.0042, "0.4 %"), (0.0149, "1 %"), (0.969, "97 %"), (0.99, "99 %"),
     (0.9964, "99.6 %"), (0.9999, ">99.9 %"), (1, "100 %")],
)  # fmt: skip
def test_percentages_have_decimals_only_at_the_ends_and_never_reach_them_by_rounding(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("probability", "text"), [(1e-9, "<0.0001"), (0.00123, "0.0012"), (0.5, "0.5"), (1.0, "1")])
def test_p_values(probability: float, text: str) -> None:
    assert p_value(probability) == text


def test_a_value_and_its_interval_share_their_decimals() -> None:
    assert with_interval(8.8, [8.6, 10.04]) == ("8.80", "[8.60, 10.04]")


def test_decimals_grow_until_value_and_ends_differ_but_no_further_than_two() -> None:
    assert with_interval(0.993, [0.9928, 0.9932]) == ("0.9930", "[0.9928, 0.9932]")
    assert with_interval(0.5, [0.49999999, 0.50000001]) == ("0.50000", "[0.50000, 0.50000]")


def test_an_end_equal_to_the_value_asks_for_no_more_decimals() -> None:
    assert with_interval(8.8, [8.8, 9.0]) == ("8.80", "[8.80, 9.00]")


def test_an_end_near_1_is_told_apart_from_1() -> None:
    assert with_interval(0.98, [0.97, 0.9996]) == ("0.980", "[0.970, 1.000]")
    assert ratio_with_interval(0.98, [0.97, 0.9996]) == ("0.9800", "[0.9700, 0.9996]")
