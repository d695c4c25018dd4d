"""Ratios of an arm to its baseline over runs that share their luck.

Runs of the same number meet the same draws, so every ratio here is of pairs. Latency is compared on the log
scale, where savings compose; the headline is the ratio of geometric means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latlab.stats.bootstrap import resample_counts, resampled_quantiles
from latlab.stats.quantiles import CONFIDENCE, ROUNDING, interval_ranks, runs_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Ratio", "geometric_mean_ratio", "log_ratios", "quantile_ratios"]

NO_PAIRS = "no run succeeded in both arms"
ONE_PAIR = "one pair of runs has no interval"
NO_TIME = "a run took no time, and a ratio to nothing is not defined"
FEW_BEYOND = 10  # runs beyond a quantile, below which the bootstrap covers 89 % where an arm removes the tail


@dataclass(frozen=True)
class Ratio:
    """How a statistic of the arm relates to the baseline's: below 1, the arm takes less.

    ratio: None where it is not estimable. ci: two-sided, 95 %. p: of "the ratio is 1", from the t test; None
    for a bootstrap. pairs: runs that both arms finished. identical: every pair is equal to the last digit.
    reason: why something is None. note: what else a reader must know.
    """

    ratio: float | None
    ci: tuple[float, float] | None
    p: float | None
    pairs: int
    identical: bool = False
    reason: str | None = None
    note: str | None = None


def log_ratios(arm: NDArray[np.float64], baseline: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(arm / baseline), any one shape; NaN where either is NaN or not positive; exactly 0 where equal."""
    defined = (arm > 0) & (baseline > 0)
    logs = np.full(arm.shape, np.nan)
    logs[defined] = np.log(arm[defined] / baseline[defined])
    return logs


def geometric_mean_ratio(arm: NDArray[np.float64], baseline: NDArray[np.float64]) -> Ratio:
    """Ratio of geometric means from paired figures (shape: runs, no NaN), with Student's t interval.

    Identical arms have p = 1: their t statistic is 0 / 0, and nothing speaks against "no difference".
    """
    n = len(arm)
    if n == 0:
        return Ratio(None, None, None, 0, reason=NO_PAIRS)
    if np.array_equal(arm, baseline):
        return Ratio(1.0, (1.0, 1.0), 1.0, n, identical=True)
    logs = log_ratios(arm, baseline)
    if np.isnan(logs).any():
        return Ratio(None, None, None, n, reason=NO_TIME)
    mean = float(logs.mean())
    if n == 1:
        return Ratio(math.exp(mean), None, None, 1, reason=ONE_PAIR)
    from scipy.special import stdtr, stdtrit

    error = float(logs.std(ddof=1)) / math.sqrt(n)
    half_width = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
    p = 2 * float(stdtr(n - 1, -abs(mean) / error)) if error > 0 else 0.0
    return Ratio(math.exp(mean), (math.exp(mean - half_width), math.exp(mean + half_width)), p, n)


def quantile_ratios(
    arm: NDArray[np.float64], baseline: NDArray[np.float64], probabilities: Sequence[float], seed: int
) -> list[Ratio]:
    """Ratio of each quantile, with the percentile interval of a paired bootstrap over runs, on the log scale.

    arm, baseline: one figure a run, paired by position, no NaN. The order of the pairs decides which resample
    holds which, so the caller fixes it (by run number). A quantile that has no interval at this n in either
    arm has no ratio: the bootstrap's would be far too narrow there.
    """
    n = len(arm)
    identical = n > 0 and np.array_equal(arm, baseline)
    estimable = [probability for probability in probabilities if interval_ranks(n, probability) is not None]
    if n == 0:
        return [Ratio(None, None, None, 0, reason=NO_PAIRS) for _ in probabilities]
    if not identical and (arm.min() <= 0 or baseline.min() <= 0):
        return [Ratio(None, None, None, n, reason=NO_TIME) for _ in probabilities]
    if identical:
        ratios = [Ratio(1.0, (1.0, 1.0), None, n, identical=True) for _ in estimable]
    else:
        ratios = _bootstrap(arm, baseline, estimable, seed) if estimable else []
    found = dict(zip(estimable, ratios, strict=True))
    return [found.get(q) or _not_estimable(q, n, identical=identical) for q in probabilities]


def _bootstrap(
    arm: NDArray[np.float64], baseline: NDArray[np.float64], probabilities: Sequence[float], seed: int
) -> list[Ratio]:
    n = len(arm)
    counts = resample_counts(n, seed, "paired bootstrap")
    resampled = np.log(
        resampled_quantiles(arm, counts, probabilities) / resampled_quantiles(baseline, counts, probabilities)
    )
    tail = (1 - CONFIDENCE) / 2
    lows, highs = np.exp(np.quantile(resampled, [tail, 1 - tail], axis=1))
    ratios = np.quantile(arm, probabilities) / np.quantile(baseline, probabilities)
    return [
        Ratio(float(ratio), (float(low), float(high)), None, n, note=_note(probability, n))
        for probability, ratio, low, high in zip(probabilities, ratios, lows, highs, strict=True)
    ]


def _note(probability: float, n: int) -> str | None:
    if probability <= 0.5 or n * (1 - probability) * (1 + ROUNDING) >= FEW_BEYOND:
        return None
    return (
        f"fewer than {FEW_BEYOND} of {n} runs lie beyond p{100 * probability:g}: "
        "where an arm removes the tail, this interval holds in about 90 % of studies, not 95 %"
    )


def _not_estimable(probability: float, n: int, *, identical: bool) -> Ratio:
    needed = runs_needed(probability)
    reason = f"p{100 * probability:g} is not estimable at n={n}; it needs n={needed}"
    return Ratio(None, None, None, n, identical=identical, reason=reason)
