"""Maximum likelihood of the TTFT model, started from a Theil-Sen line; the form is chosen by AIC.

Line, residual and spike are estimated together: a spike only ever adds, so a line through the medians of all rows
would lie too high, most of all where a recording is short and often disturbed. Rows far above the line are taken up by
the spike and the residual's tail instead of bending the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel

__all__ = ["BOUNDS", "CACHED_SHARE", "FORMS", "Estimate", "Form", "choose", "estimate", "theil_sen"]

Floats = NDArray[np.float64]
Family = Literal["shifted_lognormal", "lognormal_mixture"]

# Anthropic's prompt-caching announcement, 2024: .0144 s against .110 s per thousand tokens.
CACHED_SHARE = 0.0144 / 0.110

# Each free parameter: its bounds, and the step by which it typically moves, which scales the optimiser.
# A likelihood of mixtures has no maximum where a component shrinks onto one row: hence the floors of the sigmas. The
# second component is the slower and wider one, and a spike strikes at most every other request: otherwise the parts
# of the model could change places. `bend` is the quadratic term as a share of the slope over the longest prompt;
# above -1/2 TTFT grows with length everywhere. `widening` is the ratio of the second sigma to the first.
BOUNDS = {
    "intercept_s": (0.0, 1e3, 0.05),
    "uncached_s_per_1k": (1e-6, 1e2, 0.02),
    "bend": (-0.49, 1e2, 0.1),
    "cached_s_per_1k": (0.0, 1e2, 1e-4),
    "shift": (0.0, 0.9, 0.05),
    "sigma": (0.02, 1.0, 0.2),
    "weight": (0.02, 0.5, 0.5),
    "ratio_2": (1.0, 20.0, 0.2),
    "widening": (1.0, 20.0, 0.5),
    "probability": (0.01, 0.5, 0.3),
    "mean_s": (0.02, 60.0, 0.3),
}
_STEP = (
    1e-6  # of a difference: wide enough that the last digit of a logarithm, which is a processor's own, steers little
)
_ON_A_LOG_SCALE = {"uncached_s_per_1k", "sigma", "weight", "ratio_2", "widening", "probability", "mean_s"}


@dataclass(frozen=True, slots=True)
class Form:
    """One shape of the model: the residual's family, with or without spikes, a line or a curve."""

    family: Family
    spikes: bool
    curved: bool
    cached: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The free parameters."""
        residual = {
            "shifted_lognormal": ("shift", "sigma"),
            "lognormal_mixture": ("sigma", "weight", "ratio_2", "widening"),
        }[self.family]
        return (
            "intercept_s",
            "uncached_s_per_1k",
            *(("bend",) if self.curved else ()),
            *(("cached_s_per_1k",) if self.cached else ()),
            *residual,
            *(("probability", "mean_s") if self.spikes else ()),
        )

    def __str__(self) -> str:
        shape = "curve" if self.curved else "line"
        return f"{shape}, {self.family.replace('_', ' ')}{', spikes' if self.spikes else ''}"


FORMS = tuple(
    Form(family, spikes, curved)
    for family in ("shifted_lognormal", "lognormal_mixture")
    for spikes in (False, True)
    for curved in (False, True)
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A fitted form: the model, its point on the optimiser's scale, and Akaike's criterion (smaller is better)."""

    form: Form
    model: TtftModel
    point: Floats
    aic: float


def theil_sen(uncached_k: Floats, ttft_s: Floats) -> tuple[float, float]:
    """Intercept and slope of the line through the median of all pairs' slopes (Theil 1950, Sen 1968)."""
    first, second = np.triu_indices(len(uncached_k), 1)
    apart = uncached_k[second] - uncached_k[first]
    differ = np.abs(apart) > 1e-9
    slope = float(np.median((ttft_s[second] - ttft_s[first])[differ] / apart[differ]))
    return float(np.median(ttft_s - slope * uncached_k)), slope


def choose(recording: Recording) -> list[Estimate]:
    """Every form fitted to the recording, best first by AIC.

    The cost of cached tokens is a parameter where the recording tells it from the other terms, and otherwise the
    published share of the slope.
    """
    cached = _tells_cached_cost(recording)
    fits: dict[Form, Estimate] = {}
    for form in (replace(form, cached=cached) for form in FORMS):
        # The same form without its curve or spikes is a start of its own, lest the richer one stop at a lower summit.
        simpler = [fits[key] for key in fits if key.family == form.family and set(key.names) < set(form.names)]
        fits[form] = estimate(recording, form, _starts(recording, form, simpler))
    return sorted(fits.values(), key=lambda fit: fit.aic)


def estimate(recording: Recording, form: Form, starts: Sequence[Floats], weights: Floats | None = None) -> Estimate:
    """The most likely parameters of `form`; `weights` count how often each row stands (1 each when None)."""
    longest_k = float(np.max(recording.uncached_k))
    kept = np.flatnonzero(weights) if weights is not None else np.arange(len(recording))
    rows = recording.rows(kept)
    counts = np.ones(len(rows)) if weights is None else weights[kept]

    scale = np.array([BOUNDS[name][2] for name in form.names])
    bounds = [(low / step, high / step) for (low, high), step in zip(map(_range, form.names), scale, strict=True)]

    def loss(scaled: Floats) -> float:
        model = _model(form, scaled * scale, longest_k)
        density = model.density(rows.ttft_s, np.maximum(model.line(rows.uncached_k, rows.cached_k), 1e-6))
        return -float(np.sum(counts * np.log(np.maximum(density, 1e-300))))

    best = min(
        (
            minimize(
                loss,
                start / scale,
                method="SLSQP",
                bounds=bounds,
                options={"eps": _STEP, "ftol": 1e-11, "maxiter": 300},
            )
            for start in starts
        ),
        key=lambda found: float(found.fun),
    )
    point = np.asarray(best.x, dtype=np.float64) * scale
    return Estimate(form, _model(form, point, longest_k), point, 2.0 * len(point) + 2.0 * float(best.fun))


def _starts(recording: Recording, form: Form, simpler: Sequence[Estimate]) -> list[Floats]:
    """Where the search begins: at the Theil-Sen line, and at the best of the simpler forms that were fitted."""
    above, slope = theil_sen(recording.uncached_k, recording.ttft_s)
    slope = max(slope, 1e-5)
    floor = float(np.min(recording.ttft_s - slope * recording.uncached_k))
    guesses = {
        "uncached_s_per_1k": slope,
        "bend": 0.0,
        "cached_s_per_1k": slope * CACHED_SHARE,
        "shift": 0.7,
        "sigma": 0.3 if form.family == "shifted_lognormal" else 0.08,
        "weight": 0.2,
        "ratio_2": 1.3,
        "widening": 3.0,
        "probability": 0.25,
        "mean_s": max(0.2 * float(np.median(recording.ttft_s)), 0.05),
    }
    starts = [_point(form, guesses | {"intercept_s": max(floor if form.spikes else above, 0.0)})]
    if simpler:
        best = min(simpler, key=lambda fit: fit.aic)
        known = dict(zip(best.form.names, best.point, strict=True))
        rare = _point(form, guesses | {"intercept_s": 0.0, "probability": 0.02})
        starts.append(np.array([known.get(name, value) for name, value in zip(form.names, rare, strict=True)]))
    return starts


def _tells_cached_cost(recording: Recording) -> bool:
    """Whether cached lengths vary by a thousand tokens apart from what the uncached ones explain."""
    design = np.column_stack([np.ones(len(recording)), recording.uncached_k])
    explained = design @ np.linalg.lstsq(design, recording.cached_k, rcond=None)[0]
    return bool(np.std(recording.cached_k - explained) > 1.0)


def _model(form: Form, point: Floats, longest_k: float) -> TtftModel:
    free = {
        name: exp(value) if name in _ON_A_LOG_SCALE else float(value)
        for name, value in zip(form.names, point, strict=True)
    }
    slope = free["uncached_s_per_1k"]
    free.setdefault("cached_s_per_1k", slope * CACHED_SHARE)
    bend = free.pop("bend", 0.0)
    free["sigma_2"] = free["sigma"] * free.pop("widening", 1.0)
    return TtftModel(uncached_s_per_1k2=bend * slope / longest_k, **free)


def _point(form: Form, values: dict[str, float]) -> Floats:
    point = [log(values[name]) if name in _ON_A_LOG_SCALE else values[name] for name in form.names]
    ranges = np.array([_range(name) for name in form.names])
    clipped: Floats = np.clip(np.array(point), ranges[:, 0], ranges[:, 1])
    return clipped


def _range(name: str) -> tuple[float, float]:
    low, high, _ = BOUNDS[name]
    return (log(low), log(high)) if name in _ON_A_LOG_SCALE else (low, high)
