"""Distributions by inverse CDF, on the standard library's arithmetic alone.

A distribution maps one uniform to one value (`quantile`). numpy's and libm's vector forms differ in the last digit
between processors; here every duration is rounded to a whole microsecond as it is drawn, which removes that.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import exp, log, log1p, sqrt
from statistics import NormalDist
from typing import Protocol

__all__ = [
    "Choice",
    "Constant",
    "Distribution",
    "Exponential",
    "Lognormal",
    "LognormalMixture",
    "QuantileTable",
    "ShiftedLognormal",
    "lognormal_sigma",
    "microseconds",
    "normal_quantile",
]

normal_quantile = NormalDist().inv_cdf


def microseconds(seconds: float) -> int:
    """A drawn duration as the whole, non-negative microseconds in which everything later counts."""
    whole = round(seconds * 1e6)
    return max(0, whole)


def lognormal_sigma(cv: float) -> float:
    """The sigma of a lognormal whose coefficient of variation is `cv`."""
    return sqrt(log1p(cv * cv))


class Distribution(Protocol):
    """Anything that turns a uniform on (0, 1) into a value."""

    def quantile(self, u: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always `value`."""

    value: float

    def quantile(self, u: float) -> float:
        return self.value


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential with the given `mean`."""

    mean: float

    def quantile(self, u: float) -> float:
        return -self.mean * log1p(-u)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Lognormal by its `median` and the `sigma` of its logarithm."""

    median: float
    sigma: float

    def quantile(self, u: float) -> float:
        return self.median * exp(self.sigma * normal_quantile(u))


@dataclass(frozen=True, slots=True)
class ShiftedLognormal:
    """`shift` plus a lognormal: a floor that no request beats, and a right tail above it."""

    shift: float
    median: float
    sigma: float

    def quantile(self, u: float) -> float:
        return self.shift + self.median * exp(self.sigma * normal_quantile(u))


@dataclass(frozen=True, slots=True)
class LognormalMixture:
    """A share `weight` of lognormal(median_2, sigma_2), the rest lognormal(median_1, sigma_1).

    The uniform first picks the component and is then stretched over (0, 1) again, so one uniform is enough. It is
    not monotone across components; that is the price of a closed form.
    """

    weight: float
    median_1: float
    sigma_1: float
    median_2: float
    sigma_2: float

    def quantile(self, u: float) -> float:
        if u < self.weight:
            inner, median, sigma = u / self.weight, self.median_2, self.sigma_2
        else:
            inner, median, sigma = (u - self.weight) / (1.0 - self.weight), self.median_1, self.sigma_1
        if not 2.0**-53 < inner < 1.0 - 2.0**-53:
            inner = min(max(inner, 2.0**-53), 1.0 - 2.0**-53)
        return median * exp(sigma * normal_quantile(inner))


@dataclass(frozen=True, slots=True)
class QuantileTable:
    """Recorded quantiles joined on a logarithmic scale (linear where a value is 0): `levels` ascending in [0, 1]."""

    levels: tuple[float, ...]
    values: tuple[float, ...]
    _log_steps: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.levels) != len(self.values) or len(self.levels) < 2:
            raise ValueError("a quantile table needs as many values as levels, and two at least")
        if list(self.levels) != sorted(set(self.levels)) or list(self.values) != sorted(self.values):
            raise ValueError("a quantile table's levels and values must ascend")
        steps = [log(high / low) if low > 0.0 else 0.0 for low, high in pairwise(self.values)]
        object.__setattr__(self, "_log_steps", tuple(steps))

    def quantile(self, u: float) -> float:
        levels, values = self.levels, self.values
        above = bisect_right(levels, u)
        if above == 0:
            return values[0]
        if above == len(levels):
            return values[-1]
        low = values[above - 1]
        share = (u - levels[above - 1]) / (levels[above] - levels[above - 1])
        if low <= 0.0:
            return low + share * (values[above] - low)
        return low * exp(share * self._log_steps[above - 1])


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `values`, with probability in proportion to `weights` (counts as recorded will do)."""

    values: tuple[float, ...]
    weights: tuple[float, ...]
    _reached: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        whole = len(self.values) == len(self.weights) and self.values and min(self.weights) >= 0
        if not whole or max(self.weights) <= 0:
            raise ValueError("a choice needs one weight for each value, none below 0 and one at least above it")

        # Not sum(): it rounds differently from Python 3.12 on.
        object.__setattr__(self, "_reached", tuple(accumulate(self.weights)))

    def quantile(self, u: float) -> float:
        reached = self._reached
        place = bisect_right(reached, u * reached[-1])
        return self.values[place if place < len(reached) else -1]
