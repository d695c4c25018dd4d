"""Keyed uniforms: a draw depends on what it is for, never on when or in which order it is asked for.

One blake2b hash of (seed, purpose, run, call path, attempt) yields eight uniforms; a toggle that adds or drops
a draw therefore shifts no other draw, and two arms of a study share their luck (common random numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

__all__ = ["UNIFORMS_PER_KEY", "Draws", "uniforms"]

UNIFORMS_PER_KEY = 8
_DOUBLES = Struct("<8d")
# Each 64-bit lane keeps its high 52 bits as the mantissa of a double between 1 and 2. Less 1 - 2**-53 that is half a
# step above a multiple of 2**-52: never 0, never 1, and exact on every machine.
_MANTISSAS = int.from_bytes(((1 << 52) - 1).to_bytes(8, "little") * UNIFORMS_PER_KEY, "little")
_ONES = int.from_bytes((0x3FF << 52).to_bytes(8, "little") * UNIFORMS_PER_KEY, "little")
_BELOW_ONE = 1.0 - 2.0**-53


def uniforms(key: str) -> tuple[float, ...]:
    """Eight independent uniforms on the open interval (0, 1) for one key, the same on every machine."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=64).digest()
    lanes = (int.from_bytes(digest, "little") >> 12) & _MANTISSAS | _ONES
    return tuple([double - _BELOW_ONE for double in _DOUBLES.unpack(lanes.to_bytes(64, "little"))])


@dataclass(frozen=True, slots=True)
class Draws:
    """The luck of one run of one study: every random quantity of the run comes from here by name.

    `seed` is the study's, `run` the run's number (arms share both). `plausible` numbers a plausible profile of the
    outer loop, whose runs have luck of their own; 0 is the profile as it was fitted.
    """

    seed: int
    run: int
    plausible: int = 0

    def uniforms(self, purpose: str, path: str, attempt: int = 0) -> tuple[float, ...]:
        """Eight uniforms for `purpose` at the call `path`; `attempt` numbers retries and repeated identical calls."""
        return uniforms(f"{self.seed}\x1f{self.plausible}\x1f{purpose}\x1f{self.run}\x1f{path}\x1f{attempt}")
