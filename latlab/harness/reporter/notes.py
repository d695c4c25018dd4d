"""What a reader must know beside the figures, one sentence each: answers, meanings, failures, assumptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latlab.harness.reporter.effects import Effects, scenarios
from latlab.harness.reporter.labels import arm_name
from latlab.harness.reporter.real_time import real_time
from latlab.harness.reporter.rounding import ratio_with_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["assumptions", "failures", "meanings"]

_FAILURES_LISTED = 5
_RATIOS_SHOWN = (("total_s", "geometric_mean"), ("total_s", "p95"), ("perceived_s", "geometric_mean"))
_QUANTILES = ("p50", "p95", "p99")


def meanings(summary: Mapping[str, Any]) -> Iterator[str]:
    """Sentences that say how to read the tables; only those that this summary needs."""
    yield from _fastest(summary)
    yield from real_time(summary)
    yield _uncertainty(summary)
    if summary["comparisons"]:
        yield (
            "p adj.: paired t test of the log ratios, corrected for the number of arms compared within one metric; "
            "verdicts on quantiles are not."
        )
    yield (
        "TTFT: from asking for a call, waiting for a connection included, to its first visible text or tool byte; "
        "without streaming it equals the call's total. A run's TTFT is the mean over its calls. perceived: until the "
        "user sees the first text of the final answer."
    )
    totals = [arm["metrics"].get("total_s", {}).get(p) or {} for arm in summary["arms"] for p in _QUANTILES]
    needed = [found["needs_n"] for found in totals if found.get("value") is None and found.get("needs_n")]
    if needed:
        yield (
            f"n/a: too few runs for that quantile to have an interval; --runs {max(needed)} gives it one. "
            "≥ is its lower bound by order statistics, max the slowest run."
        )
    for metric in ("ttft_s", "perceived_s"):
        reasons = {(arm["metrics"].get(metric, {}).get("p50") or {}).get("reason") for arm in summary["arms"]}
        yield from (f"{metric} n/a: {reason}." for reason in sorted(filter(None, reasons)))
    if summary.get("scenario_kind") in ("scenario", "benchmark"):
        yield (
            "What the scenario takes for granted (tool latencies, rounds, answer lengths) is stated in its file; it is "
            "a part of every total, and not varied between profiles."
        )
    yield from _warnings(summary)
    if any(one["verdict"] == "identical" for one in summary["comparisons"]):
        yield "identical: each run took exactly as long as its pair in the baseline."


def failures(summary: Mapping[str, Any]) -> tuple[str, list[str]]:
    """A heading and one line for each of the first failures; no lines where nothing failed."""
    listed = summary.get("failures") or ()
    count = max(len(listed), sum(arm["errors"] for arm in summary["arms"]))
    lines = [f"{_run_of(one)}: {one['error']}" for one in listed[:_FAILURES_LISTED]]
    if count > len(lines):
        lines.append(f"… {count - len(lines)} more" if lines else f"{count} in all; see the study's folder")
    return f"Failed runs, kept apart from every figure above ({count}); --fresh tries them again:", lines


def _run_of(failure: Mapping[str, Any]) -> str:
    under = f", plausible profile {failure['plausible']}" if failure.get("plausible") else ""
    return f"{failure['label']}{under}, run {failure['run']}"


def assumptions(summary: Mapping[str, Any]) -> tuple[str, list[str]]:
    """A heading and one line for each parameter that nobody measured and a conclusion rests on."""
    lines = []
    for one in summary.get("assumptions") or ():
        interval = one.get("interval")
        span = f" [{', '.join(map(_plain, interval))}]" if interval else ""
        why = f": {one['reason']}" if one.get("reason") else ""
        source = f" ({one['source']})" if one.get("source") else ""
        lines.append(f"{one['name']} = {_plain(one['value'])}{span}, {one['evidence']}{why}{source}")
    return "The conclusions rest on these parameters, which the recordings do not show:", lines


def _fastest(summary: Mapping[str, Any]) -> Iterator[str]:
    effects = Effects(summary)
    grouped = scenarios(summary)
    for scenario, arms in grouped.items():
        faster = [
            (found["ratio"], arm_name(arm), found)
            for arm in arms
            if (found := effects.of(arm, "total_s", "geometric_mean")) and found["verdict"] == "faster"
        ]
        if faster:
            _, label, found = min(faster, key=lambda one: one[0])
            ratio, interval = ratio_with_interval(found["ratio"], found["ci"])
            where = f" in {scenario}" if len(grouped) > 1 else ""
            yield f"Fastest{where}: {label}, {ratio} {interval} of the baseline's total time."


def _warnings(summary: Mapping[str, Any]) -> Iterator[str]:
    """What the statistics say about a ratio that the tables show, each thing once."""
    said = (
        f"{one['metric']} {one['statistic']} ratio: {one[key]}."
        for one in summary["comparisons"]
        if (one["metric"], one["statistic"]) in _RATIOS_SHOWN
        for key in ("reason", "note")
        if one.get(key)
    )
    yield from dict.fromkeys(said)


def _uncertainty(summary: Mapping[str, Any]) -> str:
    plausible = summary.get("plausible")
    if not plausible:
        return "[ ] is a 95 % interval over these runs; how far the profile may be wrong is not in it."
    return (
        "[ ] is a 95 % interval given this profile (chance alone); 'holds in' is the share of "
        f"{plausible['profiles']} plausible profiles, drawn within the evidence of each parameter "
        f"({plausible['runs']} runs each), in which the effect keeps its direction, "
        "over the middle 90 % of the ratio in them."
    )


def _plain(value: object) -> str:
    """A parameter as a profile would state it: 0.0017, 64000."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
