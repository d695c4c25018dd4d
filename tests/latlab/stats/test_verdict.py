from __future__ import annotations

import pytest

from latlab.stats.paired import Ratio
from latlab.stats.verdict import verdict_of_interval, verdict_of_test


@pytest.mark.parametrize(
    ("ratio", "p_adjusted", "word"),
    [
        (0.8, 0.049, "faster"),
        (1.2, 0.049, "slower"),
        (0.8, 0.05, "no difference shown"),
        (0.8, 1.0, "no difference shown"),
        (0.8, None, "no difference shown"),
        (None, None, "no difference shown"),
    ],
)
def test_verdict_follows_the_adjusted_p_and_the_side_of_one(
    ratio: float | None, p_adjusted: float | None, word: str
) -> None:
    # The interval excludes 1 throughout: it must not overrule the adjusted p.
    assert verdict_of_test(Ratio(ratio, (0.7, 0.9), 0.001, 20), p_adjusted) == word


@pytest.mark.parametrize(
    ("ratio", "ci", "word"),
    [
        (0.8, (0.7, 0.99), "faster"),
        (1.2, (1.01, 1.3), "slower"),
        (0.9, (0.8, 1.0), "no difference shown"),
        (1.1, (1.0, 1.2), "no difference shown"),
        (1.0, (1.0, 1.0), "no difference shown"),
        (0.9, None, "no difference shown"),
        (None, None, "no difference shown"),
    ],
)
def test_verdict_follows_whether_the_interval_excludes_one(
    ratio: float | None, ci: tuple[float, float] | None, word: str
) -> None:
    assert verdict_of_interval(Ratio(ratio, ci, None, 20)) == word


def test_identical_arms_are_called_identical_by_both() -> None:
    same = Ratio(1.0, (1.0, 1.0), 1.0, 20, identical=True)
    assert verdict_of_test(same, 1.0) == verdict_of_interval(same) == "identical"
