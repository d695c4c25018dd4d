"""Passages: filler of an exact length that is recognised again once it is written out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.passage import Passage, recognise

KEYS = st.text("abcXYZ019._~/:-", min_size=1, max_size=120)
PASSAGES = st.builds(Passage, KEYS, st.integers(1, 999_999_999))


@given(PASSAGES, st.integers(0, 5000))
def test_a_passage_has_exactly_the_length_that_is_asked_for(passage, characters) -> None:
    assert len(passage.render(characters)) == characters


@given(PASSAGES, st.integers(0, 2000))
def test_a_rendered_passage_is_recognised_where_its_tag_fits_and_never_mistaken(passage, more) -> None:
    whole = len(passage.tag())
    assert recognise(passage.render(whole + more)) == passage
    assert recognise(passage.render(min(more, whole - 1))) is None


@given(PASSAGES, PASSAGES)
def test_passages_render_alike_only_if_they_are_the_same(one, other) -> None:
    assert (one.render(400) == other.render(400)) == (one == other)


@given(PASSAGES, st.integers(0, 1000), st.integers(0, 1000))
def test_a_longer_rendering_begins_with_the_shorter(passage, length, more) -> None:
    assert passage.render(length + more).startswith(passage.render(length))


@given(st.text(max_size=40))
def test_text_that_only_looks_alike_is_no_passage(text) -> None:
    for untagged in (f" [a 5] {text}", f"[a 5]{text.lstrip()}", f"[a 05] {text}", f"[a b 5] {text}", f"[a] {text}"):
        assert recognise(untagged) is None
