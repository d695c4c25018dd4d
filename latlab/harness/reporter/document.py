"""The JSON document of a study: the contract that other programs read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from latlab.harness.reporter.artifact import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["to_json", "write"]

_STUDY = ("study", "path", "digest", "world", "seed", "profile", "arms", "comparisons")
_ARM = ("scenario", "config", "n", "errors", "metrics")
_METRICS = ("total_s", "perceived_s", "ttft_s", "tokens_per_s", "cache_hit_rate", "cost_usd")
_COMPARISON = ("scenario", "baseline", "arm", "metric", "statistic", "ratio", "ci")
_JUDGEMENT = ("p_adjusted", "plausible_share", "verdict")


def to_json(summary: Mapping[str, Any]) -> str:
    """One JSON object, the contract's keys first and in its order, further keys after them as they came.

    Raises:
        ValueError: a figure is NaN or infinite; JSON has neither; the summary says ``null`` and why.
    """
    document = _ordered(summary, _STUDY)
    document["arms"] = [
        _ordered(arm, _ARM) | {"metrics": _ordered(arm["metrics"], _METRICS)} for arm in summary["arms"]
    ]
    document["comparisons"] = [_ordered(one, _COMPARISON + _JUDGEMENT) for one in summary["comparisons"]]
    return json.dumps(document, allow_nan=False, ensure_ascii=False, indent=2)


def write(summary: Mapping[str, Any], path: Path) -> None:
    """Write :func:`to_json` of ``summary`` to ``path`` as UTF-8 with a final newline.

    Raises:
        UnwritableArtifactError: the file cannot be written.
        ValueError: as :func:`to_json`.
    """
    write_bytes(path, (to_json(summary) + "\n").encode())


def _ordered(mapping: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
    return {key: mapping[key] for key in first if key in mapping} | dict(mapping)
