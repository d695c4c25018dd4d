"""A scenario in both worlds that measure in virtual time, which must not differ in anything."""

from __future__ import annotations

from typing import Any

from latlab.config import BenchmarkConfig
from latlab.worlds.run import Outcome
from latlab.worlds.sim import run_sim
from latlab.worlds.warp import run_warp
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile

__all__ = ["TIED", "both"]

# No luck at all: what happens at the same time does so to the microsecond, again and again.
TIED = {
    "residual": {
        "family": "shifted_lognormal",
        "sigma": {"value": 0.0, "evidence": "published", "source": "tests"},
        "shift": {"value": 0.6, "evidence": "published", "source": "tests"},
    },
    "spike": None,
    "rate_cv": 0.0,
    "setup_sigma": 0.0,
    "minimum_tokens": 64,
}


def both(scenario: Any, profile: Profile, config: BenchmarkConfig, draws: Draws) -> Outcome:
    """The outcome in sim, which was found to be that in warp, and no failure."""
    sim = run_sim(scenario, profile, config, draws)
    warp = run_warp(scenario, profile, config, draws)
    assert sim.error is None
    assert sim == warp
    return sim
