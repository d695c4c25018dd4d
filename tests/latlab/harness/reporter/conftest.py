"""A summary as the runner hands it to the reporters: three arms, one of them identical to the baseline."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def summary() -> dict[str, Any]:
    return {
        "target": "tool_agent",
        "runs": 400,
        "cache_start": "cold",
        "command": "latlab run tool_agent --vary streaming=false,true --vary cache_control=off,conversation "
        "--vary connection_reuse=false,true --runs 400 --seed 7",
        "plausible": {"profiles": 64, "runs": 24},
        "assumptions": [
            {
                "name": "ttft.cached_s_per_1k",
                "value": 0.0017,
                "interval": [0.0, 0.004],
                "evidence": "assumed",
                "reason": "no recording holds a cached prompt",
                "source": "vendor's statement",
            }
        ],
        "comparisons": [
            *_comparisons("cache_control=conversation", {"cache_control": "conversation"}, 0.62),
            *_comparisons("connection_reuse=true", {"connection_reuse": True}, 1.0),
        ],
        "arms": [
            _arm("baseline", {}, 1.0),
            _arm("cache_control=conversation", {"cache_control": "conversation"}, 0.62),
            _arm("connection_reuse=true", {"connection_reuse": True}, 1.0),
        ],
        "artifacts": ["results/3f2a9c1d0b7e4a55/latency_ecdf.png", "results/3f2a9c1d0b7e4a55/effects.png"],
        "failures": [],
        "study": "3f2a9c1d0b7e4a55",
        "path": "results/3f2a9c1d0b7e4a55",
        "digest": "sha256:" + "ab12" * 16,
        "world": "sim",
        "seed": 7,
        "profile": "claude-sonnet-5",
    }


def _arm(label: str, config: dict[str, Any], scale: float) -> dict[str, Any]:
    quantiles = {
        "p50": _quantile(8.8 * scale),
        "p95": _quantile(14.2 * scale),
        "p99": _quantile(19.0 * scale),
    }
    unseen: dict[str, Any] = {"value": None, "reason": "not observable without streaming"}
    return {
        "label": label,
        "scenario": "tool_agent",
        "config": config,
        "resolved": {"streaming": False, "cache_control": "off", "connection_reuse": False} | config,
        "n": 400,
        "errors": 0,
        "metrics": {
            "cost_usd": {"mean": 0.01234 * scale, "p50": _quantile(0.0123)},
            "total_s": {"mean": 9.1 * scale, **quantiles},
            "perceived_s": {"mean": 8.1 * scale, "p50": _quantile(7.77 * scale)},
            "ttft_s": {"mean": 2.1 * scale, "p50": _quantile(2.22 * scale)},
            "tokens_per_s": {"mean": None, "p50": unseen, "p95": unseen, "p99": unseen},
            "cache_hit_rate": {"mean": 0.9964 if config.get("cache_control") else 0.0},
        },
    }


def _quantile(value: float) -> dict[str, Any]:
    return {"value": value, "ci": [0.97 * value, 1.04 * value]}


def _comparisons(label: str, config: dict[str, Any], ratio: float) -> list[dict[str, Any]]:
    identical = ratio == 1
    return [
        {
            "label": label,
            "scenario": "tool_agent",
            "baseline": {},
            "arm": config,
            "metric": metric,
            "statistic": statistic,
            "ratio": ratio if metric == "total_s" or identical else 0.5,
            "ci": [1.0, 1.0] if identical else [0.4, 0.7],
            "p_adjusted": None if statistic != "geometric_mean" else 1.0 if identical else 1e-9,
            "plausible_share": 0.97 if metric == "total_s" and statistic == "geometric_mean" else None,
            "verdict": "identical" if identical else "faster",
            "pairs": 400,
        }
        for metric in ("total_s", "perceived_s")
        for statistic in ("geometric_mean", "p50", "p95", "p99")
    ]
