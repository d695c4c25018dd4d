"""A small profile whose numbers are round, for tests that need one and do not care which."""

from __future__ import annotations

from typing import Any

from mockllm.core.profile import Profile

__all__ = ["AUTOMATIC", "make_profile", "profile_tables"]

_Tables = dict[str, Any]


def _measured(value: float, low: float, high: float) -> _Tables:
    return {"value": value, "evidence": "measured", "source": "tests", "interval": (low, high), "n": 100}


def _assumed(value: float, low: float, high: float) -> _Tables:
    return {
        "value": value,
        "evidence": "assumed",
        "source": "tests",
        "interval": (low, high),
        "reason": "a test needs a range",
    }


def _exact(value: float) -> _Tables:
    return {"value": value, "evidence": "published", "source": "tests"}


def profile_tables() -> _Tables:
    """A complete profile as its TOML would be read, for tests that break it before it is parsed."""
    return {
        "name": "test",
        "model": "test-model",
        "provider": "anthropic",
        "summary": "round numbers",
        "max_input_tokens": 1_000_000,
        "max_output_tokens": 64_000,
        "ttft": {
            "intercept_s": _assumed(0.5, 0.3, 0.8),
            "uncached_s_per_1k": _measured(0.0125, 0.012, 0.0135),
            "uncached_s_per_1k2": _exact(0.0),
            "cached_s_per_1k": _assumed(0.001, 0.0, 0.004),
            "residual": {
                "family": "shifted_lognormal",
                "sigma": _measured(0.4, 0.35, 0.45),
                "shift": _exact(0.6),
            },
            "spike": {"probability": _measured(0.05, 0.03, 0.08), "mean_s": _measured(2.0, 1.0, 4.0)},
        },
        "decode": {
            "tokens_per_s": _measured(80.0, 76.0, 84.0),
            "rate_cv": _exact(0.15),
            "flush_tokens": _exact(4.0),
            "flush_gap_cv": _exact(1.0),
        },
        "connection": {
            "setup_s": _measured(0.08, 0.07, 0.09),
            "setup_sigma": _exact(0.3),
            "idle_expiry_s": _exact(5.0),
        },
        "cache": {
            "minimum_tokens": _exact(1024),
            "lookback_blocks": _exact(20),
            "breakpoints": _exact(4),
        },
        "tokens": {"characters_per_token": _exact(4.0)},
        "price": [
            {
                "input_nusd": 2000,
                "output_nusd": 10_000,
                "write_5m_nusd": 2500,
                "write_1h_nusd": 4000,
                "read_nusd": 200,
                "source": "tests",
            }
        ],
    }


def make_profile(**overrides: Any) -> Profile:
    """The test profile, any field or parameter of it replaced by name: `make_profile(minimum_tokens=0)`.

    A number given for a parameter is taken as exact; a table says more. `None` leaves an optional one out.
    """
    tables = profile_tables()
    tables["cache"]["eviction_mean_s"] = tables["rules"] = tables["automatic_cache"] = None  # what a file leaves out
    tables["ttft"]["headers_lead_s"] = tables["load"] = None
    unplaced = dict(overrides)
    _place(tables, unplaced)
    if unplaced:
        raise TypeError(f"the profile has no field {', '.join(unplaced)}")
    return Profile.model_validate(tables)


AUTOMATIC: dict[str, _Tables] = {
    "steps": {
        "rule": "steps",
        "minimum_tokens": _exact(1024),
        "step_tokens": _exact(128),
        "life_s": _exact(300),
    },
    "breakpoints": {
        "rule": "breakpoints",
        "minimum_tokens": _exact(1024),
        "writes": _exact(4),
        "lookback": _exact(80),
        "life_s": _exact(1800),
    },
}
"""Both rules of caching without markers, for `make_profile(automatic_cache=…)`."""


def _place(tables: _Tables, unplaced: _Tables) -> None:
    for name, held in list(tables.items()):
        if name in unplaced:
            given = unplaced.pop(name)
            known = held is None or (isinstance(held, dict) and "evidence" in held)
            exact = known and isinstance(given, (int, float))
            tables[name] = _exact(given) if exact else given
        elif isinstance(held, dict) and "evidence" not in held:
            _place(held, unplaced)
