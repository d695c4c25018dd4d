"""A fitted model as a profile: each parameter with its interval, what it rests on, and what it does not."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isclose

from latlab.calibration.estimation import BOUNDS, Form
from latlab.calibration.intervals import Fit, Intervals
from latlab.calibration.priors import DATASETS, Prior, model_name
from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel
from mockllm.core.profile import Parameter, Profile, Residual, Spike, Ttft

__all__ = ["dataset", "fitted_profile", "rounded_model"]

_DIGITS = 4  # of a value; an interval, which a bootstrap knows less well, has one less
_IDENTIFIED_K = 1.0  # an intercept is measured where prompts of at most a thousand tokens were recorded
_BOUND_TEXTS = ("the least that the fit allows", "the most that the fit allows")
_DEAREST_CACHED = 0.5  # of the cost of an uncached token: the upper end of what is assumed where nothing is known


def rounded_model(model: TtftModel) -> TtftModel:
    """The model with the digits that the file will hold, so that what is judged is what is shipped."""
    return TtftModel(**{field.name: _rounded(getattr(model, field.name), _DIGITS) for field in fields(model)})


def dataset(source: str) -> str:
    """A recording's source with its commit, date and licence, where they are known."""
    if source not in DATASETS:
        return source or "a recording that names no source"
    commit, date, licence = DATASETS[source]
    return f"{source} @{commit} ({date}), licence {licence}"


def fitted_profile(fit: Fit, model: TtftModel, recording: Recording, training: Recording, prior: Prior) -> Profile:
    """The profile of the fitted `model`; `training` are the rows of `recording` that it was fitted to."""
    name = model_name(recording.model)
    source = dataset(recording.source)
    fitted = _Fitted(model, fit.intervals, fit.chosen.form, source, len(training))
    return Profile.model_validate(
        {
            "name": name,
            "model": name,
            "provider": recording.provider if recording.provider in ("anthropic", "openai") else prior.provider,
            "summary": _summary(recording),
            "max_input_tokens": prior.max_input_tokens,
            "max_output_tokens": prior.max_output_tokens,
            "ttft": _ttft(fitted, recording, prior),
            "decode": prior.decode,
            "connection": prior.connection,
            "cache": prior.cache,
            "automatic_cache": prior.automatic_cache,
            "tokens": prior.tokens,
            "rules": prior.rules,
            "price": prior.price,
        }
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Parameters of one fit by their names in the model."""

    model: TtftModel
    intervals: Intervals
    form: Form
    source: str
    n: int

    def measured(self, name: str, reason: str = "") -> Parameter:
        """The parameter `name` as fitted. One whose interval is all that the fit allows was not found, but assumed."""
        value = float(getattr(self.model, name))
        ends = [self._is_bound(name, end) for end in (0, 1)]
        bounds = " and ".join([text for text, is_bound in zip(_BOUND_TEXTS, ends, strict=True) if is_bound])
        said = [reason] if reason else []
        if all(ends):
            said = ["the rows do not tell it: every value that the fit allows lies within the interval"]
        elif bounds:
            said.append(f"the interval ends at {bounds}")
        return Parameter(
            value=value,
            interval=self.interval(name),
            evidence="assumed" if all(ends) else "measured",
            source=self.source,
            n=self.n,
            reason="; ".join(said),
        )

    def _is_bound(self, name: str, end: int) -> bool:
        """Whether the interval ends where the optimiser had to stop."""
        if name == "sigma_2":  # its bound is the first sigma, whatever that is
            return end == 0 and self.model.sigma_2 <= self.model.sigma
        if name not in BOUNDS:
            return False
        found = self.interval(name)[end]
        return isclose(found, BOUNDS[name][end], rel_tol=1e-3, abs_tol=1e-9)

    def interval(self, name: str) -> tuple[float, float]:
        """Rounded, and never beside the value: the percentiles of a small bootstrap can miss its own estimate."""
        value = float(getattr(self.model, name))
        low, high = (_rounded(end, _DIGITS - 1) for end in self.intervals[name])
        return min(low, value), max(high, value)


def _ttft(fitted: _Fitted, recording: Recording, prior: Prior) -> Ttft:
    return Ttft(
        intercept_s=_intercept(fitted, recording),
        uncached_s_per_1k=fitted.measured("uncached_s_per_1k"),
        uncached_s_per_1k2=fitted.measured("uncached_s_per_1k2") if fitted.form.curved else None,
        cached_s_per_1k=_cached(fitted),
        residual=_residual(fitted),
        spike=_spike(fitted) if fitted.form.spikes else None,
        headers_lead_s=prior.headers_lead_s,
    )


def _intercept(fitted: _Fitted, recording: Recording) -> Parameter:
    shortest_k = float(recording.uncached_k.min())
    if shortest_k <= _IDENTIFIED_K:
        return fitted.measured("intercept_s")
    model, (low, high) = fitted.model, fitted.interval("intercept_s")
    shape = "curve" if fitted.form.curved else "line"
    at_shortest_s = model.intercept_s + model.uncached_s_per_1k * shortest_k + model.uncached_s_per_1k2 * shortest_k**2
    reason = (
        f"no row has fewer than {shortest_k * 1000:,.0f} uncached tokens: below, nothing recorded shows that the "
        f"{shape} holds, only that TTFT lies between zero and what it is there; given the {shape}, the 95 % interval "
        f"is [{low:g}, {high:g}] s"
    )
    if not fitted.form.cached and recording.cached_k.max() > 0.0:
        reason += (
            f"; the assumed cost of the {recording.cached_k.mean() * 1000:,.0f} cached tokens of each row is taken off"
        )
    return Parameter(
        value=model.intercept_s,
        interval=(0.0, max(_rounded(at_shortest_s, _DIGITS - 1), model.intercept_s)),
        evidence="extrapolated",
        source=fitted.source,
        n=fitted.n,
        reason=reason,
    )


def _cached(fitted: _Fitted) -> Parameter:
    if fitted.form.cached:
        return fitted.measured("cached_s_per_1k")
    return Parameter(
        value=fitted.model.cached_s_per_1k,
        interval=(0.0, _rounded(fitted.model.uncached_s_per_1k * _DEAREST_CACHED, _DIGITS - 1)),
        evidence="assumed",
        source="Anthropic, prompt caching announcement (2024): .0144 against .110 s per 1k tokens",
        reason="cached lengths vary too little in the recording to tell; 13 % of this model's uncached cost, between "
        "free and half",
    )


def _residual(fitted: _Fitted) -> Residual:
    if fitted.form.family == "shifted_lognormal":
        return Residual(family="shifted_lognormal", sigma=fitted.measured("sigma"), shift=fitted.measured("shift"))
    return Residual(
        family="lognormal_mixture",
        sigma=fitted.measured("sigma"),
        weight=fitted.measured("weight"),
        ratio_2=fitted.measured("ratio_2"),
        sigma_2=fitted.measured("sigma_2"),
    )


def _spike(fitted: _Fitted) -> Spike:
    return Spike(
        probability=fitted.measured(
            "probability", "at most every other request: beyond that, spikes are not told from the residual"
        ),
        mean_s=fitted.measured("mean_s"),
    )


def _summary(recording: Recording) -> str:
    low, high = (f"{length * 1000:,.0f}" for length in (recording.uncached_k.min(), recording.uncached_k.max()))
    return f"{recording.model or 'a model'}: TTFT fitted to recorded prompts of {low} to {high} uncached tokens"


def _rounded(value: float, digits: int) -> float:
    # An optimiser leaves a parameter at zero some 1e-20 beside it.
    return float(f"{value:.{digits}g}") if abs(value) > 1e-12 else 0.0
