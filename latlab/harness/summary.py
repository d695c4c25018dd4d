"""A study's arms and their comparisons, as the objects that `--json` prints and the reporters draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latlab.stats.multiplicity import adjust_by_holm
from latlab.stats.paired import Ratio, geometric_mean_ratio, log_ratios, quantile_ratios
from latlab.stats.plausible import plausible_range, plausible_share
from latlab.stats.quantiles import estimate_quantile
from latlab.stats.verdict import Verdict, verdict_of_interval, verdict_of_test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["METRICS", "ArmSamples", "summarise"]

METRICS = ("total_s", "perceived_s", "ttft_s", "tokens_per_s", "cache_hit_rate", "cost_usd")
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
COMPARED = ("total_s", "perceived_s", "ttft_s")
COMPARED_BY_QUANTILE = ("total_s", "perceived_s")
UNOBSERVED = "not observable in any run of this arm"


@dataclass(frozen=True, eq=False)
class ArmSamples:
    """What one arm measured.

    config: the toggles in which the arm differs from its baseline, {} for the baseline itself; resolved:
    every toggle. runs: numbers of the runs that succeeded, each once. metrics: by name, one figure a run in
    the order of `runs`, NaN where the run could not observe it; every name of METRICS is there. errors: runs
    that failed. plausible: total_s under drawn profiles, shape (profiles, runs), NaN where a run failed; the
    same drawn profiles and run numbers in every arm of a study. None when the study had no outer loop.
    plausible_perceived: perceived_s likewise.

    Raises ValueError when the arrays do not fit together or a figure is infinite.
    """

    scenario: str
    label: str
    config: Mapping[str, Any]
    resolved: Mapping[str, Any]
    runs: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]
    errors: int
    plausible: NDArray[np.float64] | None = None
    plausible_perceived: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if len(np.unique(self.runs)) != len(self.runs):
            raise ValueError(f"arm {self.label!r}: a run number occurs twice")
        for name in METRICS:
            if name not in self.metrics:
                raise ValueError(f"arm {self.label!r}: metric {name} is missing")
            if self.metrics[name].shape != self.runs.shape:
                raise ValueError(f"arm {self.label!r}: {name} has not one figure for each run")
            if np.isinf(self.metrics[name]).any():
                raise ValueError(f"arm {self.label!r}: {name} has an infinite figure")


def summarise(arms: Sequence[ArmSamples], seed: int) -> dict[str, list[dict[str, Any]]]:
    """{"arms": [...], "comparisons": [...]} in the contract's shape: plain values, no NaN, ready for json.

    The first arm of each scenario is its baseline. Geometric means carry p values adjusted by Holm over all
    comparisons of the same metric; quantiles are judged by their bootstrap interval, resampled with `seed`.
    """
    baselines: dict[str, ArmSamples] = {}
    for arm in arms:
        baselines.setdefault(arm.scenario, arm)
    pairs = [(baselines[arm.scenario], arm) for arm in arms if baselines[arm.scenario] is not arm]
    return {
        "arms": [_arm(arm) for arm in arms],
        "comparisons": [row for metric in COMPARED for row in _comparisons(pairs, metric, seed)],
    }


def _arm(arm: ArmSamples) -> dict[str, Any]:
    return {
        "scenario": arm.scenario,
        "label": arm.label,
        "config": dict(arm.config),
        "resolved": dict(arm.resolved),
        "n": len(arm.runs),
        "errors": arm.errors,
        "metrics": {name: _metric(arm.metrics[name]) for name in METRICS},
    }


def _metric(figures: NDArray[np.float64]) -> dict[str, Any]:
    observed = figures[~np.isnan(figures)]
    if len(figures) and not len(observed):
        return {"n": 0, "mean": None} | {name: {"value": None, "reason": UNOBSERVED} for name in QUANTILES}
    return {
        "n": len(observed),
        "mean": float(observed.mean()) if len(observed) else None,
        **{name: estimate_quantile(observed, q).to_json() for name, q in QUANTILES.items()},
    }


def _comparisons(pairs: Sequence[tuple[ArmSamples, ArmSamples]], metric: str, seed: int) -> list[dict[str, Any]]:
    figures = [_paired_figures(baseline, arm, metric) for baseline, arm in pairs]
    means = [geometric_mean_ratio(of_arm, of_baseline) for of_baseline, of_arm in figures]
    adjusted = adjust_by_holm([mean.p for mean in means])
    rows: list[dict[str, Any]] = []
    for (baseline, arm), (of_baseline, of_arm), mean, p in zip(pairs, figures, means, adjusted, strict=True):
        about = {"scenario": arm.scenario, "baseline": dict(baseline.config), "arm": dict(arm.config)}
        about |= {"label": arm.label, "metric": metric}
        share, span = _plausible(baseline, arm, metric, mean)
        row = about | _ratio("geometric_mean", mean, p, share, verdict_of_test(mean, p))
        rows.append(row | ({} if span is None else {"plausible_ratio": list(span)}))
        if metric in COMPARED_BY_QUANTILE:
            ratios = quantile_ratios(of_arm, of_baseline, list(QUANTILES.values()), seed)
            rows.extend(
                about | _ratio(name, ratio, None, None, verdict_of_interval(ratio))
                for name, ratio in zip(QUANTILES, ratios, strict=True)
            )
    return rows


def _paired_figures(
    baseline: ArmSamples, arm: ArmSamples, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The metric in both arms over the runs that both finished and observed, in order of run number."""
    _, of_baseline, of_arm = np.intersect1d(baseline.runs, arm.runs, assume_unique=True, return_indices=True)
    before, after = baseline.metrics[metric][of_baseline], arm.metrics[metric][of_arm]
    both = ~(np.isnan(before) | np.isnan(after))
    return before[both], after[both]


def _plausible(
    baseline: ArmSamples, arm: ArmSamples, metric: str, mean: Ratio
) -> tuple[float | None, tuple[float, float] | None]:
    """In which share of plausible profiles the effect on `metric` holds, and the range of the ratio in them."""
    name = {"total_s": "plausible", "perceived_s": "plausible_perceived"}.get(metric)
    if name is None or mean.ratio is None:
        return None, None
    before, after = getattr(baseline, name), getattr(arm, name)
    if before is None or after is None:
        return None, None
    ratios = log_ratios(after, before)
    return plausible_share(ratios, math.log(mean.ratio)), plausible_range(ratios)


def _ratio(
    statistic: str, ratio: Ratio, p_adjusted: float | None, share: float | None, verdict: Verdict
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "statistic": statistic,
        "ratio": ratio.ratio,
        "ci": None if ratio.ci is None else list(ratio.ci),
        "p_adjusted": p_adjusted,
        "plausible_share": share,
        "verdict": verdict,
        "pairs": ratio.pairs,
    }
    return row | {key: text for key, text in (("reason", ratio.reason), ("note", ratio.note)) if text}
