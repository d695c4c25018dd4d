"""TTFT as a distribution: (a line or curve in prompt length) x residual ratio + contention spike.

The residual is one or two lognormals round the line and the spike an exponential wait that some requests meet, so the
density of their sum is a convolution. It is integrated over the residual's own standard normal (Gauss-Legendre), where
the integrand stays smooth however narrow the residual is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log1p, sqrt, tau

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mockllm.core.distributions import Distribution, LognormalMixture, ShiftedLognormal

__all__ = ["TtftModel"]

Floats = NDArray[np.float64]
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(32)
# Squared towards the upper end, near which a spike that is short beside the residual's spread gathers its density.
_WITHIN, _SHARES = 1.0 - ((1.0 - _POINTS) / 2) ** 2, _WEIGHTS * (1.0 - _POINTS) / 2 / sqrt(tau)
_REACH = 6.5  # standard deviations beyond which a normal holds nothing


@dataclass(frozen=True, slots=True)
class TtftModel:
    """Parameters as in `mockllm.core.profile.Ttft`; prompt lengths in thousands of tokens, times in seconds.

    A second component of the residual has `weight` 0, and a spike `probability` 0, where the form has none.
    """

    intercept_s: float
    uncached_s_per_1k: float
    cached_s_per_1k: float
    sigma: float
    uncached_s_per_1k2: float = 0.0
    shift: float = 0.0
    weight: float = 0.0
    ratio_2: float = 1.0
    sigma_2: float = 1.0
    probability: float = 0.0
    mean_s: float = 1.0

    def line(self, uncached_k: Floats, cached_k: Floats) -> Floats:
        """Seconds before residual and spike."""
        return (
            self.intercept_s
            + self.uncached_s_per_1k * uncached_k
            + self.uncached_s_per_1k2 * uncached_k**2
            + self.cached_s_per_1k * cached_k
        )

    def residual(self) -> Distribution:
        """The residual ratio, as the emulator draws it."""
        if self.weight:
            return LognormalMixture(self.weight, 1.0, self.sigma, self.ratio_2, self.sigma_2)
        return ShiftedLognormal(self.shift, 1.0 - self.shift, self.sigma)

    def density(self, ttft_s: Floats, line_s: Floats) -> Floats:
        """Density at `ttft_s` of a request whose line is at `line_s`."""
        plain, _, spiked = self._parts(ttft_s, line_s)
        return (1.0 - self.probability) * plain + self.probability * spiked

    def cumulative(self, ttft_s: Floats, line_s: Floats) -> Floats:
        """Probability that a request takes at most `ttft_s`."""
        _, below, spiked = self._parts(ttft_s, line_s)
        # P(Z + S <= t) = P(Z <= t) - mean x density of Z + S at t, for an exponential S.
        return below - self.probability * self.mean_s * spiked

    def quantile(self, level: float, line_s: Floats) -> Floats:
        """The `level` quantile at each line, by bisection."""
        low, high = np.zeros_like(line_s), line_s * 64.0 + 64.0 * self.mean_s
        for _ in range(60):
            middle = (low + high) / 2
            under = self.cumulative(middle, line_s) < level
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return (low + high) / 2

    def drawn(self, lines_s: list[float], uniforms: Callable[[int], tuple[float, ...]]) -> Floats:
        """One TTFT for each line, from the uniforms of each row."""
        residual = self.residual()
        values = []
        for row, line_s in enumerate(lines_s):
            ratio, struck, wait, *_ = uniforms(row)
            spike_s = -self.mean_s * log1p(-wait) if struck < self.probability else 0.0
            values.append(line_s * residual.quantile(ratio) + spike_s)
        return np.array(values)

    def _parts(self, ttft_s: Floats, line_s: Floats) -> tuple[Floats, Floats, Floats]:
        """Density and cumulative probability without a spike, and the density with one."""
        plain, below, spiked = np.zeros_like(ttft_s), np.zeros_like(ttft_s), np.zeros_like(ttft_s)
        components = [(1.0 - self.weight, self.shift, 1.0 - self.shift, self.sigma)]
        if self.weight:
            components.append((self.weight, 0.0, self.ratio_2, self.sigma_2))
        for share, shift, scale, sigma in components:
            ratio = (ttft_s / line_s - shift) / scale
            above = ratio > 0.0
            safe = np.where(above, ratio, 1.0)
            z = np.where(above, np.log(safe) / sigma, -40.0)
            plain += share * np.where(above, np.exp(-0.5 * z * z) / (sqrt(tau) * sigma * safe * scale * line_s), 0.0)
            below += share * ndtr(z)
            if self.probability:
                span = np.clip(z, -_REACH, _REACH) + _REACH
                normal = span[:, None] * _WITHIN - _REACH
                wait_s = ttft_s[:, None] - line_s[:, None] * (shift + scale * np.exp(sigma * normal))
                means = np.maximum(wait_s, 0.0) / self.mean_s
                spiked += (
                    share / self.mean_s * span * np.einsum("ij,j", np.exp(-0.5 * normal * normal - means), _SHARES)
                )
        return plain, below, spiked
