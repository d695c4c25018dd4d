from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from latlab.stats import bootstrap
from latlab.stats.bootstrap import resample_counts, resampled_quantiles


def test_indices_follow_from_the_key_by_plain_arithmetic() -> None:
    n, seed, row = 37, 11, 3
    stream = hashlib.shake_256(f"a purpose|{seed}|{n}|{row}".encode()).digest(4 * n)
    words = [int.from_bytes(stream[4 * i : 4 * i + 4], "little") for i in range(n)]
    drawn = Counter(word * n // 2**32 for word in words)
    counts = resample_counts(n, seed, "a purpose", 5)
    assert counts[row].tolist() == [drawn[i] for i in range(n)]


def test_indices_are_the_same_on_every_machine() -> None:
    counts = resample_counts(400, 7, "paired bootstrap")
    digest = hashlib.sha256(counts.astype("<u2").tobytes()).hexdigest()
    assert digest == "46bcdb86acd18ae720b7b0e7b99f22222786ed6a8bd4decbe6c4d4a2aea90cef"


def test_every_resample_draws_as_many_runs_as_there_are() -> None:
    counts = resample_counts(73, 1, "sums")
    assert counts.shape == (2_000, 73)
    assert (counts.sum(axis=1) == 73).all()


def test_every_run_is_drawn_equally_often() -> None:
    totals = resample_counts(50, 2, "uniform").sum(axis=0)
    assert chisquare(totals).pvalue > 0.001


def test_how_often_a_run_is_drawn_varies_as_a_binomial() -> None:
    n = 50
    counts = resample_counts(n, 3, "variance")
    assert counts.var() == pytest.approx(1 - 1 / n, rel=0.02)


@pytest.mark.parametrize("other", [(40, 2, "one"), (40, 1, "two")])
def test_seed_and_purpose_each_give_other_resamples(other: tuple[int, int, str]) -> None:
    assert not np.array_equal(resample_counts(40, 1, "one"), resample_counts(*other))


def test_shared_counts_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        resample_counts(10, 1, "frozen")[0, 0] = 1


@pytest.mark.parametrize("block_cells", [1, 1_000, 4_000_000])
def test_quantiles_are_those_of_the_resample_written_out(block_cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", block_cells)
    values = np.round(np.random.default_rng(4).lognormal(size=81), 1)  # rounded, so that ties occur
    counts = resample_counts(81, 4, "written out", 60)
    probabilities = [0.0, 0.25, 0.5, 0.95, 0.99, 1.0]
    expected = [np.quantile(np.repeat(values, row), probabilities) for row in counts]
    found = resampled_quantiles(values, counts, probabilities)
    np.testing.assert_allclose(found.T, expected, rtol=1e-12)
