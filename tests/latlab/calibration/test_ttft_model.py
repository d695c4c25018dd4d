from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import lognorm

from latlab.calibration.ttft_model import TtftModel
from mockllm.core.draws import uniforms

PLAIN = TtftModel(intercept_s=0.4, uncached_s_per_1k=0.0128, cached_s_per_1k=0.0, sigma=0.6, shift=0.85)
SPIKY = TtftModel(
    intercept_s=0.4, uncached_s_per_1k=0.0128, cached_s_per_1k=0.0, sigma=0.1, probability=0.4, mean_s=0.7
)
MIXED = TtftModel(
    intercept_s=0.4,
    uncached_s_per_1k=0.0128,
    cached_s_per_1k=0.0,
    sigma=0.05,
    weight=0.1,
    ratio_2=1.5,
    sigma_2=0.3,
    probability=0.5,
    mean_s=0.05,
)
MODELS = pytest.mark.parametrize("model", [PLAIN, SPIKY, MIXED], ids=["plain", "spiky", "mixed"])


def test_the_line_adds_what_each_prompt_term_costs() -> None:
    model = TtftModel(intercept_s=1.0, uncached_s_per_1k=0.1, cached_s_per_1k=0.01, sigma=0.1, uncached_s_per_1k2=0.001)
    assert model.line(np.array([10.0]), np.array([20.0])) == pytest.approx([1.0 + 1.0 + 0.2 + 0.1])


@MODELS
@pytest.mark.parametrize("line_s", [0.5, 12.0])
def test_density_is_the_convolution_of_residual_and_spike(model: TtftModel, line_s: float) -> None:
    def without_spike(t: float) -> float:
        first = lognorm.pdf(t / line_s, model.sigma, loc=model.shift, scale=1 - model.shift)
        second = lognorm.pdf(t / line_s, model.sigma_2, scale=model.ratio_2)
        return float((1 - model.weight) * first + model.weight * second) / line_s

    def with_spike(t: float) -> float:
        longest = 40 * model.mean_s
        return float(
            quad(lambda s: without_spike(t - s) * np.exp(-s / model.mean_s) / model.mean_s, 0, longest, limit=500)[0]
        )

    at = line_s * np.array([0.93, 1.0, 1.05, 1.2])
    expected = [(1 - model.probability) * without_spike(t) + model.probability * with_spike(t) for t in at]
    assert model.density(at, np.full(4, line_s)) == pytest.approx(expected, rel=1e-4)


@MODELS
def test_density_adds_up_to_the_cumulative_probability(model: TtftModel) -> None:
    at = np.linspace(1e-3, 3.0, 20_001)
    density = model.density(at, np.full(len(at), 1.2))
    assert np.trapezoid(density, at) == pytest.approx(float(model.cumulative(at[-1:], np.array([1.2]))[0]), abs=1e-4)


@MODELS
@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_the_quantile_inverts_the_cumulative_probability(model: TtftModel, level: float) -> None:
    lines_s = np.array([0.5, 2.0, 12.0])
    assert model.cumulative(model.quantile(level, lines_s), lines_s) == pytest.approx([level] * 3, abs=1e-6)


@MODELS
def test_what_is_drawn_follows_the_cumulative_probability(model: TtftModel) -> None:
    drawn = model.drawn([2.0] * 4000, lambda row: uniforms(f"test\x1f{row}"))
    for level in (0.1, 0.5, 0.9, 0.99):
        share = np.mean(drawn <= model.quantile(level, np.array([2.0]))[0])
        assert share == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 4000))
