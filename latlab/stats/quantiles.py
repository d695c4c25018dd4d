"""Quantiles with distribution-free intervals, and an honest answer where the sample holds none.

The interval between two order statistics covers a quantile with a probability that depends on nothing but the
number of runs (David & Nagaraja, Order Statistics, 3rd ed., section 7.1). Where no pair of order statistics
reaches the confidence, the quantile has no estimate: a bootstrap would print an interval there that covers
the p99 in a fifth of studies at 20 runs, and a fitted tail is only as right as its family.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "Quantile", "estimate_quantile", "interval_ranks", "lower_bound_rank", "runs_needed"]

CONFIDENCE = 0.95
ROUNDING = 1e-9  # (1 - 0.95) ** 1 is meant to be 0.05 and comes out above it


@dataclass(frozen=True)
class Quantile:
    """One quantile of a sample, in the sample's own unit.

    `value` and `ci` (two-sided, 95 %) are both None where the interval does not exist at this n; then
    `lower_bound` (one-sided, 95 %; None where even that does not exist), the sample's `max` (None when empty)
    and `needs_n`, the least n with an interval, say what is known.
    """

    value: float | None
    ci: tuple[float, float] | None
    lower_bound: float | None
    max: float | None
    needs_n: int

    def to_json(self) -> dict[str, object]:
        """The contract's object: value and ci, or null with what is known instead."""
        if self.ci is not None:
            return {"value": self.value, "ci": list(self.ci)}
        return {"value": None, "lower_bound": self.lower_bound, "max": self.max, "needs_n": self.needs_n}


def estimate_quantile(values: NDArray[np.float64], probability: float) -> Quantile:
    """The `probability` quantile of independent finite `values` (shape: runs); interpolated linearly."""
    ordered = np.sort(values)
    n = len(ordered)
    needs_n = runs_needed(probability)
    bound_rank = lower_bound_rank(n, probability)
    lower_bound = float(ordered[bound_rank - 1]) if bound_rank else None
    maximum = float(ordered[-1]) if n else None
    ranks = interval_ranks(n, probability)
    if ranks is None:
        return Quantile(None, None, lower_bound, maximum, needs_n)
    ci = (float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))
    return Quantile(float(np.quantile(ordered, probability)), ci, lower_bound, maximum, needs_n)


@cache
def interval_ranks(n: int, probability: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the two order statistics that bound the quantile, or None where no two do.

    Each side misses with at most half of the error, so the interval over-covers: by up to 3 % for a tail.
    """
    tail = (1 - CONFIDENCE) / 2
    lower = _rank_below(n, probability, tail)
    upper = n + 1 - _rank_below(n, 1 - probability, tail)
    return (lower, upper) if lower >= 1 and upper <= n else None


@cache
def lower_bound_rank(n: int, probability: float) -> int | None:
    """Rank (from 1) of the order statistic that lies below the quantile with 95 % confidence, or None."""
    return _rank_below(n, probability, 1 - CONFIDENCE) or None


@cache
def runs_needed(probability: float) -> int:
    """The least n at which the two-sided interval exists, if only between the sample's extremes."""
    tail = (1 - CONFIDENCE) / 2
    return math.ceil(math.log(tail * (1 + ROUNDING)) / math.log(max(probability, 1 - probability)))


def _rank_below(n: int, probability: float, error: float) -> int:
    """The highest rank whose order statistic exceeds the quantile with at most this probability; 0 if none.

    Order statistic l exceeds the quantile exactly when fewer than l of the n values lie below it.
    """
    if n <= 1:  # at a glance, and without the third of a second that the import takes
        return int(n == 1 and 1 - probability <= error * (1 + ROUNDING))
    from scipy.special import bdtr

    cumulative = bdtr(np.arange(n, dtype=np.float64), n, probability)
    return int(np.count_nonzero(cumulative <= error * (1 + ROUNDING)))
