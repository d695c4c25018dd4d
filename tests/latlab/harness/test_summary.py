from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latlab.harness.summary import COMPARED, METRICS, ArmSamples, summarise
from latlab.stats.multiplicity import adjust_by_holm
from latlab.stats.paired import geometric_mean_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUANTILES = ("p50", "p95", "p99")
VERDICTS = {"faster", "slower", "no difference shown", "identical"}


def an_arm(
    label: str,
    total_s: Sequence[float] | np.ndarray,
    *,
    runs: Sequence[int] | np.ndarray | None = None,
    scenario: str = "tool_agent",
    plausible: np.ndarray | None = None,
    errors: int = 0,
    **metrics: Sequence[float] | np.ndarray,
) -> ArmSamples:
    """An arm whose every metric follows total_s unless it is given."""
    figures = {name: np.asarray(metrics.get(name, total_s), dtype=np.float64) for name in METRICS}
    return ArmSamples(
        scenario=scenario,
        label=label,
        config={} if label == "baseline" else {label: True},
        resolved={label: True, "cache_control": "off"},
        runs=np.arange(len(total_s)) if runs is None else np.asarray(runs, dtype=np.int64),
        metrics=figures,
        errors=errors,
        plausible=plausible,
    )


def lognormal(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(1, 0.5, n)


def comparison(summary: Mapping[str, Any], metric: str, statistic: str, arm: str) -> dict[str, Any]:
    (row,) = (
        row
        for row in summary["comparisons"]
        if (row["metric"], row["statistic"], row["arm"]) == (metric, statistic, {arm: True})
    )
    return row


def test_summary_has_the_shape_of_the_contract() -> None:
    total_s = lognormal(400, 1)
    summary = summarise([an_arm("baseline", total_s), an_arm("parallel", total_s * 0.8, errors=2)], seed=1)
    assert list(summary) == ["arms", "comparisons"]
    baseline, arm = summary["arms"]
    assert (baseline["config"], arm["config"]) == ({}, {"parallel": True})
    assert (arm["scenario"], arm["label"], arm["n"], arm["errors"]) == ("tool_agent", "parallel", 400, 2)
    assert arm["resolved"] == {"parallel": True, "cache_control": "off"}
    assert tuple(arm["metrics"]) == METRICS
    for metric in arm["metrics"].values():
        assert set(metric) == {"n", "mean", *QUANTILES}
        assert all(set(metric[name]) == {"value", "ci"} for name in QUANTILES)
    expected = [(metric, "geometric_mean") for metric in COMPARED]
    expected += [(metric, name) for metric in ("total_s", "perceived_s") for name in QUANTILES]
    found = [(row["metric"], row["statistic"]) for row in summary["comparisons"]]
    assert sorted(found) == sorted(expected)
    for row in summary["comparisons"]:
        assert (row["scenario"], row["baseline"], row["arm"]) == ("tool_agent", {}, {"parallel": True})
        assert row["pairs"] == 400
        assert row["ratio"] == pytest.approx(0.8)
        assert row["verdict"] == "faster"
        assert row["plausible_share"] is None
        assert (row["p_adjusted"] is not None) == (row["statistic"] == "geometric_mean")


def test_arm_reports_the_figures_of_its_runs() -> None:
    total_s = np.arange(1.0, 101.0)
    (arm,) = summarise([an_arm("baseline", total_s, cost_usd=total_s / 1000)], seed=1)["arms"]
    assert arm["metrics"]["total_s"]["mean"] == 50.5
    assert arm["metrics"]["total_s"]["p95"] == {"value": 95.05, "ci": [90.0, 100.0]}
    p99 = {"value": None, "lower_bound": 97.0, "max": 100.0, "needs_n": 368}
    assert arm["metrics"]["total_s"]["p99"] == p99
    assert arm["metrics"]["cost_usd"]["mean"] == pytest.approx(0.0505)


def test_unobservable_metric_is_null_with_the_reason() -> None:
    unseen = np.full(400, np.nan)
    (arm,) = summarise([an_arm("baseline", lognormal(400, 1), tokens_per_s=unseen)], seed=1)["arms"]
    nothing = {"value": None, "reason": "not observable in any run of this arm"}
    assert arm["metrics"]["tokens_per_s"] == {"n": 0, "mean": None} | dict.fromkeys(QUANTILES, nothing)


def test_metric_seen_in_some_runs_counts_those() -> None:
    rates = np.array([np.nan, 40.0, 60.0, np.nan])
    (arm,) = summarise([an_arm("baseline", np.ones(4), tokens_per_s=rates)], seed=1)["arms"]
    assert arm["metrics"]["tokens_per_s"]["n"] == 2
    assert arm["metrics"]["tokens_per_s"]["mean"] == 50.0


def test_only_runs_that_succeeded_in_both_arms_are_paired_by_their_number() -> None:
    baseline = an_arm("baseline", [1.0, 2.0, 4.0, 8.0], runs=[0, 1, 2, 3])
    arm = an_arm("fast", [4.5, 0.5, 99.0, 2.0], runs=[3, 0, 7, 2], errors=1)
    row = comparison(summarise([baseline, arm], seed=1), "total_s", "geometric_mean", "fast")
    assert row["pairs"] == 3
    assert row["ratio"] == pytest.approx((0.5 * 0.5 * 4.5 / 8) ** (1 / 3))


def test_runs_that_could_not_observe_a_metric_are_not_paired_in_it() -> None:
    baseline = an_arm("baseline", [1.0, 2.0, 4.0], perceived_s=[1.0, np.nan, 4.0])
    arm = an_arm("fast", [0.5, 1.0, 2.0], perceived_s=[0.5, 1.0, np.nan])
    summary = summarise([baseline, arm], seed=1)
    assert comparison(summary, "perceived_s", "geometric_mean", "fast")["pairs"] == 1
    assert comparison(summary, "total_s", "geometric_mean", "fast")["pairs"] == 3


def test_arm_without_a_successful_run_is_reported_as_unknown() -> None:
    summary = summarise([an_arm("baseline", lognormal(20, 1)), an_arm("broken", [], errors=20)], seed=1)
    failed = summary["arms"][1]
    assert (failed["n"], failed["errors"], failed["metrics"]["total_s"]["mean"]) == (0, 20, None)
    nothing = {"value": None, "lower_bound": None, "max": None, "needs_n": 368}
    assert failed["metrics"]["total_s"]["p99"] == nothing
    for row in summary["comparisons"]:
        assert (row["ratio"], row["ci"], row["pairs"]) == (None, None, 0)
        assert row["reason"] == "no run succeeded in both arms"
        assert row["verdict"] == "no difference shown"


def test_same_arm_twice_is_identical() -> None:
    total_s = lognormal(400, 1)
    summary = summarise([an_arm("baseline", total_s), an_arm("same", total_s.copy())], seed=1)
    assert {row["verdict"] for row in summary["comparisons"]} == {"identical"}
    assert {row["ratio"] for row in summary["comparisons"]} == {1.0}


def test_p_values_are_adjusted_by_holm_over_the_arms_of_one_metric() -> None:
    baseline = lognormal(40, 1)
    noise = [np.random.default_rng(seed).lognormal(-0.03, 0.1, 40) for seed in range(5)]
    arms = [an_arm(f"arm{i}", baseline * factor, ttft_s=factor) for i, factor in enumerate(noise)]
    summary = summarise([an_arm("baseline", baseline, ttft_s=np.ones(40)), *arms], seed=1)
    expected = adjust_by_holm([geometric_mean_ratio(baseline * factor, baseline).p for factor in noise])
    names = [f"arm{i}" for i in range(5)]
    found = [comparison(summary, "total_s", "geometric_mean", name)["p_adjusted"] for name in names]
    assert found == expected
    of_ttft = [comparison(summary, "ttft_s", "geometric_mean", name)["p_adjusted"] for name in names]
    assert of_ttft == pytest.approx(found), "another metric is another family"


def test_headline_needs_the_adjusted_p_and_not_the_interval() -> None:
    noise = np.random.default_rng(4).standard_normal((5, 40))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, ddof=1, keepdims=True)
    noise[0] -= 2.3 / np.sqrt(40)  # t = -2.3: p is 0.03 alone and 0.13 among five
    baseline = lognormal(40, 1)
    arms = [an_arm(f"arm{i}", baseline * np.exp(0.1 * row)) for i, row in enumerate(noise)]
    alone = summarise([an_arm("baseline", baseline), arms[0]], seed=1)
    among = summarise([an_arm("baseline", baseline), *arms], seed=1)
    one, five = (comparison(summary, "total_s", "geometric_mean", "arm0") for summary in (alone, among))
    assert one["ci"] == five["ci"]
    assert one["ci"][1] < 1
    assert (one["verdict"], five["verdict"]) == ("faster", "no difference shown")


def test_ratio_of_an_inestimable_quantile_is_null_with_the_reason() -> None:
    total_s = lognormal(100, 1)
    summary = summarise([an_arm("baseline", total_s), an_arm("fast", total_s * 0.5)], seed=1)
    assert comparison(summary, "total_s", "p95", "fast")["ratio"] == pytest.approx(0.5)
    p99 = comparison(summary, "total_s", "p99", "fast")
    assert (p99["ratio"], p99["ci"], p99["verdict"]) == (None, None, "no difference shown")
    assert p99["reason"] == "p99 is not estimable at n=100; it needs n=368"


def test_plausible_share_accompanies_the_total_alone() -> None:
    before = np.full((4, 3), 2.0)
    before[0, 0] = np.nan
    after = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [3.0, 3.0, np.nan], [1.0, 1.0, 1.0]])
    total_s = lognormal(20, 1)
    arms = [an_arm("baseline", total_s, plausible=before), an_arm("fast", total_s * 0.5, plausible=after)]
    summary = summarise(arms, seed=1)
    assert comparison(summary, "total_s", "geometric_mean", "fast")["plausible_share"] == 0.75
    assert [row["plausible_share"] for row in summary["comparisons"]].count(None) == 8


def test_each_scenario_has_its_first_arm_as_baseline() -> None:
    arms = [
        an_arm("baseline", np.arange(1.0, 31), scenario="simple_qa"),
        an_arm("fast", np.arange(1.0, 31) / 2, scenario="simple_qa"),
        an_arm("baseline", np.arange(1.0, 31) * 10, scenario="tool_agent"),
        an_arm("fast", np.arange(1.0, 31) * 2, scenario="tool_agent"),
    ]
    rows = [row for row in summarise(arms, seed=1)["comparisons"] if row["statistic"] == "geometric_mean"]
    ratios = {row["scenario"]: row["ratio"] for row in rows if row["metric"] == "total_s"}
    assert ratios == pytest.approx({"simple_qa": 0.5, "tool_agent": 0.2})


def test_order_of_the_runs_changes_nothing() -> None:
    before, after = lognormal(400, 1), lognormal(400, 2)
    order = np.random.default_rng(3).permutation(400)
    straight = summarise([an_arm("baseline", before), an_arm("fast", after)], seed=1)
    shuffled = summarise([an_arm("baseline", before), an_arm("fast", after[order], runs=order)], seed=1)
    assert shuffled["comparisons"] == straight["comparisons"]
    for metric, figures in shuffled["arms"][1]["metrics"].items():
        expected = straight["arms"][1]["metrics"][metric]
        assert {name: figures[name] for name in QUANTILES} == {name: expected[name] for name in QUANTILES}


def test_seed_moves_the_bootstrap_intervals_and_nothing_else() -> None:
    arms = [an_arm("baseline", lognormal(400, 1)), an_arm("fast", lognormal(400, 2))]
    one, again, other = summarise(arms, seed=1), summarise(arms, seed=1), summarise(arms, seed=2)
    assert one == again
    assert one["arms"] == other["arms"]
    for row, moved in zip(one["comparisons"], other["comparisons"], strict=True):
        assert (row["ci"] != moved["ci"]) == (row["statistic"] != "geometric_mean")
        assert row | {"ci": None} == moved | {"ci": None}


figure = st.one_of(st.just(float("nan")), st.just(0.0), st.integers(1, 10**9).map(lambda us: us / 1e6))


@settings(max_examples=60)
@given(st.lists(st.tuples(figure, figure), max_size=90), st.integers(0, 2**63))
def test_summary_is_plain_json_whatever_was_measured(figures: list[tuple[float, float]], seed: int) -> None:
    before, after = np.array(figures, dtype=np.float64).reshape(-1, 2).T
    grid = np.full((2, 3), np.nan)
    arms = [an_arm("baseline", before, plausible=grid), an_arm("other", after, plausible=grid)]
    summary = summarise(arms, seed=seed)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    for row in summary["comparisons"]:
        assert row["verdict"] in VERDICTS
        assert (row["ci"] is None) == ("reason" in row)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"runs": np.array([0, 0])}, "a run number occurs twice"),
        ({"metrics": {"total_s": np.ones(2)}}, "metric perceived_s is missing"),
        ({"runs": np.arange(3)}, "total_s has not one figure for each run"),
        ({"metrics": dict.fromkeys(METRICS, np.array([1.0, np.inf]))}, "total_s has an infinite figure"),
    ],
)
def test_samples_that_do_not_fit_together_are_refused(change: dict[str, Any], complaint: str) -> None:
    fields: dict[str, Any] = {
        "scenario": "tool_agent",
        "label": "odd",
        "config": {},
        "resolved": {},
        "runs": np.arange(2),
        "metrics": dict.fromkeys(METRICS, np.ones(2)),
        "errors": 0,
    }
    with pytest.raises(ValueError, match=f"arm 'odd': {complaint}"):
        ArmSamples(**fields | change)
