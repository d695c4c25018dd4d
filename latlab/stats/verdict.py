"""The word that a comparison of durations earns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from latlab.stats.paired import Ratio

__all__ = ["ALPHA", "Verdict", "verdict_of_interval", "verdict_of_test"]

Verdict = Literal["faster", "slower", "no difference shown", "identical"]
ALPHA = 0.05


def verdict_of_test(comparison: Ratio, p_adjusted: float | None) -> Verdict:
    """From the p value, adjusted for its family, and the side of 1 on which the ratio lies."""
    return _verdict(comparison, shown=p_adjusted is not None and p_adjusted < ALPHA)


def verdict_of_interval(comparison: Ratio) -> Verdict:
    """From whether the interval excludes 1: for ratios that have no p value."""
    shown = comparison.ci is not None and not comparison.ci[0] <= 1 <= comparison.ci[1]
    return _verdict(comparison, shown=shown)


def _verdict(comparison: Ratio, *, shown: bool) -> Verdict:
    if comparison.identical:
        return "identical"
    if not shown or comparison.ratio is None:
        return "no difference shown"
    return "faster" if comparison.ratio < 1 else "slower"
