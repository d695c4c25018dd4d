"""The model against rows that it was not fitted to, beside the error that chance alone would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel
from mockllm.core.draws import uniforms

__all__ = ["UnfittedError", "judge"]

Floats = NDArray[np.float64]
_SAMPLES = 1000
_LEVELS = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class UnfittedError:
    """Relative error of the median and the 95th percentile on `n` held-out rows, .02 for 2 % either way.

    The noise figures are what 95 of 100 samples of n rows drawn from the model itself stay within; the uncertainty
    of the fit is not in them.
    """

    p50: float
    p95: float
    noise_p50: float
    noise_p95: float
    n: int


def judge(model: TtftModel, held_out: Recording) -> UnfittedError:
    """Quantile errors, pooled over lengths.

    Each row is divided by the model's own quantile at its length; that quantile of the ratios would be one.
    """
    lines_s = model.line(held_out.uncached_k, held_out.cached_k)
    quantiles = [model.quantile(level, lines_s) for level in _LEVELS]
    p50, p95 = _errors(held_out.ttft_s, quantiles)
    lines = lines_s.tolist()
    samples = [_errors(model.drawn(lines, partial(_luck, sample)), quantiles) for sample in range(_SAMPLES)]
    noise_p50, noise_p95 = (float(np.quantile(errors, 0.95)) for errors in zip(*samples, strict=True))
    return UnfittedError(p50, p95, noise_p50, noise_p95, len(held_out))


def _luck(sample: int, row: int) -> tuple[float, ...]:
    return uniforms(f"calibration-noise\x1f{sample}\x1f{row}")


def _errors(ttft_s: Floats, quantiles: Sequence[Floats]) -> list[float]:
    return [
        abs(float(np.exp(np.quantile(np.log(ttft_s / expected_s), level))) - 1.0)
        for level, expected_s in zip(_LEVELS, quantiles, strict=True)
    ]
