"""How figures are written for people: three significant digits, more only where fewer would mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["figure", "money", "p_value", "percent", "ratio_with_interval", "with_interval"]

_EXTRA_DECIMALS = 2  # at most so many beyond three digits


def figure(value: float) -> str:
    """``value`` to three significant digits, whole numbers in full: 0.0123, 8.80, 14.2, 1234."""
    if 0 < abs(value) < 1e-5:
        return f"{value:.2e}"
    return f"{value:.{_decimals(value)}f}"


def money(usd: float) -> str:
    """US dollars to three significant digits: $0.0123."""
    return f"${figure(usd)}"


def percent(share: float) -> str:
    """A share of 1 as a percentage, with a decimal only below 1 % and above 99 %, where it matters."""
    hundredths = 100 * share
    if hundredths in {0, 100}:
        return f"{hundredths:.0f} %"
    if hundredths > 99:
        return f"{hundredths:.1f} %" if hundredths < 99.95 else ">99.9 %"
    if hundredths < 1:
        return f"{hundredths:.1f} %" if hundredths >= 0.05 else "<0.1 %"
    return f"{hundredths:.0f} %"


def p_value(probability: float) -> str:
    """A p value to two significant digits, or the bound below which nobody needs to know more."""
    return "<0.0001" if probability < 1e-4 else f"{probability:.2g}"


def with_interval(value: float, interval: Sequence[float]) -> tuple[str, str]:
    """``value`` and its interval as two texts with the same decimals, as many as tell the three apart."""
    return _alike(value, interval, apart=set())


def ratio_with_interval(ratio: float, interval: Sequence[float]) -> tuple[str, str]:
    """As :func:`with_interval`, and an end that is not 1 does not read as 1: the verdict hangs on it."""
    return _alike(ratio, interval, apart={1.0})


def _alike(value: float, interval: Sequence[float], apart: set[float]) -> tuple[str, str]:
    low, high = interval
    distinct = {value, low, high} | apart
    decimals = _decimals(value)
    most = decimals + _EXTRA_DECIMALS
    while decimals < most and len({f"{one:.{decimals}f}" for one in distinct}) < len(distinct):
        decimals += 1
    return f"{value:.{decimals}f}", f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def _decimals(value: float) -> int:
    if value == 0:
        return 0
    exponent = int(f"{value:.2e}".partition("e")[2])  # after rounding: 9.996 is 10.0, not 10.00
    return max(0, 2 - exponent)
