"""Resampling whole runs, by indices that are the same on every machine.

The indices come from a hash, not from numpy's generators, whose streams may change with the version. A
resample is kept as how often it drew each run: quantiles of any arm then follow from one sort of that arm,
and arms that share the counts stay paired.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import shake_256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["RESAMPLES", "resample_counts", "resampled_quantiles"]

RESAMPLES = 2_000
WORD_BITS = 32
BLOCK_CELLS = 4_000_000  # bounds the memory of one step, whatever the number of runs


@lru_cache(maxsize=2)
def resample_counts(n: int, seed: int, purpose: str, resamples: int = RESAMPLES) -> NDArray[np.uint16]:
    """How often each of n runs is drawn in each resample: shape (resamples, n), every row sums to n.

    Row r is a function of (purpose, seed, n, r) alone. A 32-bit word times n, shifted down by 32, is the
    index of a run; its bias is below n / 2**32.
    """
    counts = np.empty((resamples, n), dtype=np.uint16)
    for row in range(resamples):
        words = np.frombuffer(shake_256(f"{purpose}|{seed}|{n}|{row}".encode()).digest(4 * n), dtype="<u4")
        drawn = (words.astype(np.uint64) * np.uint64(n)) >> np.uint64(WORD_BITS)
        counts[row] = np.bincount(drawn.astype(np.intp), minlength=n)
    counts.flags.writeable = False
    return counts


def resampled_quantiles(
    values: NDArray[np.float64], counts: NDArray[np.uint16], probabilities: Sequence[float]
) -> NDArray[np.float64]:
    """Quantiles of each resample of `values` (shape: runs): shape (probabilities, resamples).

    Interpolated linearly, as `estimate_quantile` does.
    """
    n = len(values)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    quantiles = np.empty((len(probabilities), len(counts)))
    block = max(1, BLOCK_CELLS // n)
    for start in range(0, len(counts), block):
        drawn_so_far = np.cumsum(counts[start : start + block, order], axis=1, dtype=np.int32)
        for row, probability in enumerate(probabilities):
            position = (n - 1) * probability
            below = math.floor(position)
            # The k-th smallest of a resample (from 0) is the first value with more than k draws up to it.
            low = ordered[np.count_nonzero(drawn_so_far <= below, axis=1)]
            high = ordered[np.count_nonzero(drawn_so_far <= min(below + 1, n - 1), axis=1)]
            quantiles[row, start : start + block] = low + (high - low) * (position - below)
    return quantiles
