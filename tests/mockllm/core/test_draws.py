"""Keyed uniforms: the same bits everywhere, whoever asks first, and as even as uniforms should be."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mockllm.core import draws as draws_module
from mockllm.core.draws import UNIFORMS_PER_KEY, Draws, uniforms

NAMES = st.text(st.characters(exclude_characters="\x1f"), max_size=12)
KEYS = st.tuples(st.integers(0, 2**63), st.integers(0, 99), NAMES, st.integers(0, 10**6), NAMES, st.integers(0, 9))

# Written down once: a processor, a Python or a change of ours that draws other bits fails here.
GOLDEN = {
    "": "0x1.ac80a17b81340p-7 0x1.cb49489617f72p-2 0x1.851d6385011cap-2 0x1.9541ff717e288p-4",
    "latlab": "0x1.599bf4ecdbc5ep-2 0x1.f8d32a7cf6e55p-1 0x1.2c60cd156cccbp-1 0x1.c1545c8f2bcbfp-1",
    "é\ud800": "0x1.ea32090b0c217p-1 0x1.a47e59372d557p-1 0x1.a716801574094p-3 0x1.0c848baebac13p-1",
}


def draw(key: tuple[int, int, str, int, str, int]) -> tuple[float, ...]:
    seed, plausible, purpose, run, path, attempt = key
    return Draws(seed, run, plausible).uniforms(purpose, path, attempt)


def test_the_bits_of_a_key_are_those_written_down() -> None:
    assert {key: " ".join(u.hex() for u in uniforms(key)) for key in GOLDEN} == GOLDEN


def test_the_bits_of_a_call_are_those_written_down() -> None:
    assert Draws(7, 3).uniforms("service", "main/turn-2", 1) == (
        0.05628344150907438,
        0.2845824063254897,
        0.6462155899687984,
        0.17143440651580766,
    )


def test_the_extreme_words_stay_inside_the_open_interval(monkeypatch) -> None:
    class Extreme:
        def __init__(self, byte: bytes) -> None:
            self.byte = byte

        def digest(self) -> bytes:
            return self.byte * 64

    for byte, value in ((b"\x00", 2.0**-53), (b"\xff", 1.0 - 2.0**-53)):
        monkeypatch.setattr(draws_module, "blake2b", lambda *_args, byte=byte, **_options: Extreme(byte))
        assert uniforms("any") == (value,) * UNIFORMS_PER_KEY
        assert 0.0 < value < 1.0


@given(KEYS)
def test_every_uniform_lies_inside_the_open_interval(key) -> None:
    assert len(draw(key)) == UNIFORMS_PER_KEY
    assert all(0.0 < u < 1.0 for u in draw(key))


@given(st.lists(KEYS, min_size=1, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_a_draw_does_not_depend_on_what_else_is_drawn_or_when(keys, order) -> None:
    alone = {key: draw(key) for key in keys}
    shuffled = keys * 2
    order.shuffle(shuffled)
    assert {key: draw(key) for key in shuffled} == alone


@given(KEYS, KEYS)
def test_two_keys_that_differ_in_anything_draw_different_luck(one, other) -> None:
    assert (draw(one) == draw(other)) == (one == other)


def test_each_part_of_the_key_changes_the_luck() -> None:
    base = (1, 0, "service", 2, "main/turn-1", 0)
    others = [
        (9, 0, "service", 2, "main/turn-1", 0),
        (1, 9, "service", 2, "main/turn-1", 0),
        (1, 0, "connect", 2, "main/turn-1", 0),
        (1, 0, "service", 9, "main/turn-1", 0),
        (1, 0, "service", 2, "main/turn-2", 0),
        (1, 0, "service", 2, "main/turn-1", 9),
        (2, 0, "service", 1, "main/turn-1", 0),
    ]
    assert len({draw(key) for key in [base, *others]}) == len(others) + 1


def test_the_uniforms_of_many_calls_are_uniform() -> None:
    columns = list(zip(*(Draws(1, run).uniforms("service", "main/turn-1") for run in range(4000)), strict=True))
    p_values = [stats.kstest(column, "uniform").pvalue for column in columns]
    assert min(p_values) > 0.001  # fixed keys: this either always holds or never
    assert stats.kstest([u for column in columns for u in column], "uniform").pvalue > 0.01


def test_the_uniforms_of_one_call_and_of_neighbouring_runs_are_uncorrelated() -> None:
    rows = [Draws(1, run).uniforms("service", "main/turn-1") for run in range(4000)]
    columns = list(zip(*rows, strict=True))
    pairs = list(itertools.combinations(columns, 2))
    pairs += [(column[:-1], column[1:]) for column in columns]
    p_values = [stats.spearmanr(one, other).pvalue for one, other in pairs]
    assert min(p_values) > 0.01 / len(pairs)
