"""The arms of a summary by scenario, and which comparison belongs to which arm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Effects", "scenarios"]


class Effects:
    """The comparisons of a summary, found by arm, metric and statistic.

    An arm and its comparisons name each other by scenario and configuration, as the JSON contract has it.
    """

    def __init__(self, summary: Mapping[str, Any]) -> None:
        self._found = {
            (_key(one["scenario"], one["arm"]), one["metric"], one["statistic"]): one for one in summary["comparisons"]
        }

    def of(self, arm: Mapping[str, Any], metric: str, statistic: str) -> Mapping[str, Any] | None:
        """The comparison of ``arm`` with its baseline, or None where none was made (as for the baseline)."""
        return self._found.get((_key(arm["scenario"], arm["config"]), metric, statistic))

    def compared(self, arm: Mapping[str, Any]) -> bool:
        """Whether anything compares ``arm`` with a baseline."""
        key = _key(arm["scenario"], arm["config"])
        return any(found == key for found, _, _ in self._found)


def scenarios(summary: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The arms of each scenario, both in the order of the summary."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for arm in summary["arms"]:
        grouped.setdefault(arm["scenario"], []).append(arm)
    return grouped


def _key(scenario: str, config: Mapping[str, Any]) -> tuple[str, str]:
    return scenario, json.dumps(config, sort_keys=True)
