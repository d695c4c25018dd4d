from __future__ import annotations

from typing import Any

from latlab.harness.reporter.effects import Effects, scenarios


def test_a_comparison_is_found_by_the_arms_configuration_in_any_order_of_its_keys() -> None:
    comparison = {"scenario": "s", "arm": {"a": 1, "b": 2}, "metric": "total_s", "statistic": "p95", "ratio": 0.8}
    effects = Effects({"comparisons": [comparison]})
    assert effects.of({"scenario": "s", "config": {"b": 2, "a": 1}}, "total_s", "p95") == comparison
    assert effects.of({"scenario": "s", "config": {"b": 2, "a": 1}}, "total_s", "p99") is None
    assert effects.of({"scenario": "other", "config": {"b": 2, "a": 1}}, "total_s", "p95") is None


def test_only_the_baseline_is_not_compared(summary: dict[str, Any]) -> None:
    effects = Effects(summary)
    assert [effects.compared(arm) for arm in summary["arms"]] == [False, True, True]


def test_arms_are_grouped_by_scenario_in_their_order() -> None:
    arms = [{"scenario": "b", "n": 1}, {"scenario": "a", "n": 2}, {"scenario": "b", "n": 3}]
    grouped = scenarios({"arms": arms})
    assert list(grouped.items()) == [("b", [arms[0], arms[2]]), ("a", [arms[1]])]
