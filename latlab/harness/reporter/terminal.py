"""The study on a terminal: what was asked, two tables, what they rest on, and how to get them again."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from latlab.harness.reporter.columns import Column, print_table
from latlab.harness.reporter.effects import Effects, scenarios
from latlab.harness.reporter.labels import arm_name, settings, subject, wrapped
from latlab.harness.reporter.notes import assumptions, failures, meanings
from latlab.harness.reporter.real_time import pace
from latlab.harness.reporter.rounding import (
    figure,
    money,
    p_value,
    percent,
    ratio_with_interval,
    with_interval,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

__all__ = ["render"]

_VERDICT_STYLES = {"faster": "green", "slower": "red", "identical": "dim"}
_PLAIN = str.maketrans({"·": "|", "≥": ">=", "…": "..."})


def render(summary: Mapping[str, Any], console: Console) -> None:
    """Print ``summary`` (the JSON contract plus what the runner adds) for a person to read.

    Figures are never cut: on a narrow terminal tables continue in further tables. What one copies (digest,
    paths, command) is never wrapped.
    """
    page = _Page(console)
    page.line(_title(summary), style="bold")
    effects = Effects(summary)
    grouped = scenarios(summary)
    for scenario, arms in grouped.items():
        suffix = f" · {scenario}" if len(grouped) > 1 else ""
        baseline = next((arm for arm in arms if not effects.compared(arm)), None)
        if baseline and baseline.get("resolved"):
            page.line(f"baseline{suffix}: {settings(baseline['resolved'])}")
        page.gap()
        page.table(f"What each arm took{suffix}", arms, _figures(arms))
        compared = [arm for arm in arms if effects.compared(arm)]
        if compared:
            page.gap()
            page.table(f"Against the baseline{suffix}", compared, _ratios(compared, effects, summary))
    page.gap()
    for line in meanings(summary):
        page.line(line, hanging=True)
    for heading, lines in (failures(summary), assumptions(summary)):
        if lines:
            page.gap()
            page.line(heading)
            for line in lines:
                page.line(f"  {line}", hanging=True)
    page.gap()
    page.copyable("digest", summary["digest"])
    for path in summary.get("artifacts") or ():
        page.copyable("written", path)
    if summary.get("command"):
        page.copyable("reproduce", summary["command"])


class _Page:
    """A console on which text is text: no markup, no highlighting, ASCII signs where it knows no others."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ascii = console.options.ascii_only

    def gap(self) -> None:
        self._console.print()

    def line(self, text: str, *, style: str = "", hanging: bool = False) -> None:
        indent = " " * (len(text) - len(text.lstrip()))
        filled = textwrap.fill(
            self._sign(text),
            max(20, self._console.width),
            subsequent_indent=indent + "  " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self._print(filled, style)

    def copyable(self, name: str, text: str) -> None:
        self._print(self._sign(f"{name:<11}{text}"), "")

    def table(self, title: str, arms: Sequence[Mapping[str, Any]], columns: Iterable[Column]) -> None:
        labels = [self._sign(arm_name(arm)) for arm in arms]
        signed = [Column(self._sign(one.heading), tuple(map(self._sign, one.cells)), one.styles) for one in columns]
        print_table(self._console, self._sign(title), labels, signed)

    def _sign(self, text: str) -> str:
        return text.translate(_PLAIN).encode("ascii", "replace").decode() if self._ascii else text

    def _print(self, text: str, style: str) -> None:
        self._console.print(text, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _title(summary: Mapping[str, Any]) -> str:
    asked = [
        subject(summary),
        f"{summary['world']} world",
        *pace(summary),
        f"{summary['runs']} run{'s' * (summary['runs'] != 1)} an arm",
        f"seed {summary['seed']}",
    ]
    if summary.get("cache_start"):
        asked.append(f"cache {summary['cache_start']} at the start")
    return " · ".join(asked)


def _figures(arms: Sequence[Mapping[str, Any]]) -> Iterable[Column]:
    yield Column("n", tuple(str(arm["n"]) for arm in arms))
    if any(arm["errors"] for arm in arms):
        yield Column("failed", tuple(str(arm["errors"]) for arm in arms))
    for statistic in ("p50", "p95", "p99"):
        yield Column(f"total\n{statistic} s", tuple(_quantile(arm, "total_s", statistic) for arm in arms))
    yield Column("perceived\np50 s", tuple(_value(arm, "perceived_s") for arm in arms))
    yield Column("TTFT\np50 s", tuple(_value(arm, "ttft_s") for arm in arms))
    yield Column("cost\na run", tuple(_mean(arm, "cost_usd", money) for arm in arms))
    yield Column("cache\nhits", tuple(_mean(arm, "cache_hit_rate", percent) for arm in arms))


def _ratios(arms: Sequence[Mapping[str, Any]], effects: Effects, summary: Mapping[str, Any]) -> Iterable[Column]:
    headline = [effects.of(arm, "total_s", "geometric_mean") or {} for arm in arms]
    yield Column("total\nratio", tuple(_ratio(one) for one in headline))
    yield Column("\np adj.", tuple(_optional(one.get("p_adjusted"), p_value) for one in headline))
    if summary.get("plausible"):
        shares = tuple(_share(one) for one in headline)
        yield Column("holds in\nprofiles", shares)
    verdicts = tuple(one.get("verdict", "n/a") for one in headline)
    styles = tuple(_VERDICT_STYLES.get(verdict, "") for verdict in verdicts)
    yield Column("\nverdict", tuple(wrapped(verdict, 13) for verdict in verdicts), styles)
    yield Column("p95 total\nratio", tuple(_ratio(effects.of(arm, "total_s", "p95") or {}) for arm in arms))
    perceived = (effects.of(arm, "perceived_s", "geometric_mean") or {} for arm in arms)
    yield Column("perceived\nratio", tuple(map(_ratio, perceived)))


def _share(comparison: Mapping[str, Any]) -> str:
    """The share of plausible profiles in which the effect holds, over the range of the ratio in them."""
    share, span = _optional(comparison.get("plausible_share"), percent), comparison.get("plausible_ratio")
    if comparison.get("verdict") == "identical":
        return "-"
    return f"{share}\n[{span[0]:.3f}, {span[1]:.3f}]" if span else share


def _quantile(arm: Mapping[str, Any], metric: str, statistic: str) -> str:
    """A quantile over its interval; one that is not estimable says so over what is known of it."""
    found = arm["metrics"].get(metric, {}).get(statistic) or {}
    if found.get("value") is not None:
        return "\n".join(with_interval(found["value"], found["ci"]))
    why = f"n/a: N<{found['needs_n']}" if found.get("needs_n") else "n/a"
    known = [f"≥{figure(found['lower_bound'])}"] if found.get("lower_bound") is not None else []
    if found.get("max") is not None:
        known.append(f"max {figure(found['max'])}")
    return f"{why}\n{' '.join(known)}" if known else why


def _value(arm: Mapping[str, Any], metric: str) -> str:
    found = arm["metrics"].get(metric, {}).get("p50") or {}
    return _optional(found.get("value"), figure, missing="n/a")


def _mean(arm: Mapping[str, Any], metric: str, write: Any) -> str:
    return _optional(arm["metrics"].get(metric, {}).get("mean"), write, missing="n/a")


def _ratio(comparison: Mapping[str, Any]) -> str:
    if comparison.get("ratio") is None:
        return "n/a"
    if not comparison.get("ci") or comparison["verdict"] == "identical":
        return figure(comparison["ratio"])
    return "\n".join(ratio_with_interval(comparison["ratio"], comparison["ci"]))


def _optional(value: float | None, write: Any, missing: str = "-") -> str:
    return missing if value is None else str(write(value))
