"""Keyed uniforms: a draw depends on what it is for, never on when or in which order it is asked for.

One blake2b hash of (seed, purpose, run, call path, attempt) yields four uniforms; a toggle that adds or drops
a draw therefore shifts no other draw, and two arms of a study share their luck (common random numbers).
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

__all__ = ["UNIFORMS_PER_KEY", "Draws", "uniforms"]

UNIFORMS_PER_KEY = 4
_unpack = Struct("<4Q").unpack_from
# 52 bits and half a step: never 0, never 1, and exact on every machine.
_STEP = 2.0**-52
_HALF = 2.0**-53


def uniforms(key: str) -> tuple[float, float, float, float]:
    """Four independent uniforms on the open interval (0, 1) for one key, the same on every machine."""
    a, b, c, d = _unpack(blake2b(key.encode("utf-8", "surrogatepass")).digest())
    return (a >> 12) * _STEP + _HALF, (b >> 12) * _STEP + _HALF, (c >> 12) * _STEP + _HALF, (d >> 12) * _STEP + _HALF


class Draws:
    """The luck of one run of one study: every random quantity of the run comes from here by name.

    `seed` is the study's, `run` the run's number (arms share both). `plausible` numbers a plausible profile of the
    outer loop, whose runs have luck of their own; 0 is the profile as it was fitted.
    """

    __slots__ = ("_study", "_which", "plausible", "run", "seed")

    def __init__(self, seed: int, run: int, plausible: int = 0) -> None:
        self.seed = seed
        self.run = run
        self.plausible = plausible
        self._study = f"{seed}\x1f{plausible}\x1f"
        self._which = f"\x1f{run}\x1f"

    def uniforms(self, purpose: str, path: str, attempt: int = 0) -> tuple[float, float, float, float]:
        """Four uniforms for `purpose` at the call `path`; `attempt` numbers retries and repeated identical calls."""
        key = f"{self._study}{purpose}{self._which}{path}\x1f{attempt}"
        # As in `uniforms`, and here again since this is called for every draw there is.
        a, b, c, d = _unpack(blake2b(key.encode("utf-8", "surrogatepass")).digest())
        return (
            (a >> 12) * _STEP + _HALF,
            (b >> 12) * _STEP + _HALF,
            (c >> 12) * _STEP + _HALF,
            (d >> 12) * _STEP + _HALF,
        )
