"""How far an effect survives what is not known about the profile.

The interval of a simulated study is Monte Carlo error given the profile. The outer loop draws profiles from
the evidence intervals of the parameters and runs the pair of arms in each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["plausible_range", "plausible_share"]


def plausible_share(log_ratios: NDArray[np.float64], effect: float) -> float | None:
    """Share of plausible profiles in which the effect has the sign that it has in the study.

    log_ratios: paired log(arm / baseline), shape (profiles, runs), NaN where a pair is missing. effect: the
    study's own mean log ratio; where that is 0, a profile holds when its arms are equal too. A profile in
    which no pair finished shows no effect and counts against it. None when no profile has a pair.
    """
    finite = np.isfinite(log_ratios)
    if not finite.any():
        return None
    signs = np.sign(np.where(finite, log_ratios, 0.0).sum(axis=1))
    return float(np.mean(finite.any(axis=1) & (signs == np.sign(effect))))


def plausible_range(log_ratios: NDArray[np.float64]) -> tuple[float, float] | None:
    """The 5 % and 95 % quantiles, over plausible profiles, of the geometric-mean ratio in each.

    log_ratios: as for `plausible_share`. None when no profile has a pair.
    """
    finite = np.isfinite(log_ratios)
    counted = finite.any(axis=1)
    if not counted.any():
        return None
    means = np.where(finite, log_ratios, 0.0).sum(axis=1)[counted] / finite.sum(axis=1)[counted]
    low, high = np.exp(np.quantile(means, (0.05, 0.95)))
    return float(low), float(high)
