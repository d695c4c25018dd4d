"""Which form the recording supports, and the interval of each of its parameters.

Intervals are percentiles of a bootstrap: the training rows are resampled within groups of like length, by keyed
indices, and the form is fitted again to each resample. The form itself is kept, so an interval is that of the
parameter given the form.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from latlab.calibration.estimation import Estimate, choose, estimate
from latlab.calibration.recording import Recording, strata
from latlab.calibration.ttft_model import TtftModel
from latlab.stats.bootstrap import resample_counts

__all__ = ["REPLICATES", "Fit", "Intervals", "fit_ttft"]

REPLICATES = 200
_ROWS_A_GROUP = 4
_EQUALLY_SUPPORTED = 2.0  # difference of AIC

Intervals = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Fit:
    """The chosen form with the interval of each of its parameters, and all forms in order of AIC.

    `refused` is the curve that AIC preferred and whose quadratic term was not told from zero.
    """

    chosen: Estimate
    intervals: Intervals
    forms: list[Estimate]
    refused: Estimate | None = None


def fit_ttft(training: Recording, replicates: int = REPLICATES) -> Fit:
    """The simplest form within 2 of the least AIC; a curve only where the interval of its quadratic term excludes zero.

    Two forms whose AIC differ by less than 2 are about equally supported (Burnham and Anderson 2002, 2.6).
    """
    forms = choose(training)
    best = _simplest(forms)
    intervals = _bootstrap(training, best, replicates)
    if not best.form.curved:
        return Fit(best, intervals, forms)
    low, high = intervals["uncached_s_per_1k2"]
    if low > 0.0 or high < 0.0:
        return Fit(best, intervals, forms)
    line = _simplest([fit for fit in forms if not fit.form.curved])
    return Fit(line, _bootstrap(training, line, replicates), forms, refused=best)


def _simplest(forms: list[Estimate]) -> Estimate:
    supported = [fit for fit in forms if fit.aic < forms[0].aic + _EQUALLY_SUPPORTED]
    return min(supported, key=lambda fit: (len(fit.form.names), fit.aic))


def _bootstrap(training: Recording, fit: Estimate, replicates: int) -> Intervals:
    counts = np.zeros((replicates, len(training)))
    for number, group in enumerate(strata(training.uncached_k, _ROWS_A_GROUP)):
        counts[:, group] = resample_counts(len(group), 0, f"calibration-{number}", replicates)
    models = [estimate(training, fit.form, [fit.point], weights).model for weights in counts]
    drawn = {field.name: [getattr(model, field.name) for model in models] for field in fields(TtftModel)}
    # Shift and sigma trade off along one spread: sigma's interval is that of the spread, at the fitted shift.
    tail = 1.0 - fit.model.shift
    drawn["sigma"] = [model.sigma * (1.0 - model.shift) / tail for model in models]
    return {
        name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))) for name, values in drawn.items()
    }
