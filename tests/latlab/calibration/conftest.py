"""Recordings drawn from models whose parameters are known, by the project's own keyed draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latlab.calibration.recording import Recording
from latlab.calibration.ttft_model import TtftModel
from mockllm.core.draws import uniforms

LENGTHS_K = (10.0, 50.0, 100.0, 200.0, 400.0, 800.0)

Recorder = Callable[..., Recording]


def record(model: TtftModel, rows: int, seed: int = 0, cached_k: tuple[float, ...] = (0.0,)) -> Recording:
    uncached_k = np.resize(LENGTHS_K, rows)
    cached = np.resize(np.repeat(cached_k, len(LENGTHS_K)), rows)
    lines = model.line(uncached_k, cached).tolist()
    ttft_s = model.drawn(lines, lambda row: uniforms(f"synthetic\x1f{seed}\x1f{row}"))
    return Recording("tests", "anthropic", "Test Model", uncached_k, cached, ttft_s)


@pytest.fixture(name="record")
def _record() -> Recorder:
    return record


@pytest.fixture
def spiky() -> TtftModel:
    return TtftModel(
        intercept_s=0.5, uncached_s_per_1k=0.012, cached_s_per_1k=0.0, sigma=0.05, probability=0.25, mean_s=1.5
    )


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[[Recording], Path]:
    def write(recording: Recording) -> Path:
        path = tmp_path / "recording.csv"
        lines = ["source,provider,model,input_tokens,cached_tokens,ttft_s,weather"]
        for uncached_k, cached_k, ttft_s in zip(
            recording.uncached_k.tolist(), recording.cached_k.tolist(), recording.ttft_s.tolist(), strict=True
        ):
            prompt, cached = round((uncached_k + cached_k) * 1000), round(cached_k * 1000)
            lines.append(f"tests,anthropic,Test Model,{prompt},{cached},{ttft_s:.6f},sunny")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write
