"""Names of requests: which paths are taken, how repeats are told apart, and identifiers that hold everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm import MockLLMError
from mockllm.core.identity import BadCallPathError, Identity, Occurrences, check_path

PLAIN = st.text("abcXYZ019._~-", min_size=1, max_size=8)


@given(st.lists(PLAIN, min_size=1, max_size=10).map("/".join))
def test_names_joined_by_slashes_are_a_call_path(path) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path", ["", "/", "a/", "/a", "a//b", "a b", "a\n", "a\x1fb", "content:00", "é", "a" * 101, "a/" * 50 + "a"]
)
def test_anything_else_is_refused_in_one_line(path) -> None:
    with pytest.raises(BadCallPathError) as refused:
        check_path(path)
    assert isinstance(refused.value, MockLLMError)
    assert "x-mockllm-call" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_path_of_exactly_the_limit_is_taken() -> None:
    assert check_path("a" * 100)


def test_unnamed_requests_are_named_by_content_and_counted() -> None:
    seen = Occurrences()
    assert seen.identify(b"\x01") == Identity("content:01", 0)
    assert seen.identify(b"\x02") == Identity("content:02", 0)
    assert seen.identify(b"\x01") == Identity("content:01", 1)
    assert Occurrences().identify(b"\x01") == Identity("content:01", 0)


def test_identities_order_by_path_and_then_by_attempt() -> None:
    names = [Identity("b", 0), Identity("a", 1), Identity("a", 0)]
    assert sorted(names) == [Identity("a", 0), Identity("a", 1), Identity("b", 0)]


def test_the_digits_of_a_name_are_those_written_down() -> None:
    assert Identity("main/turn-1").digits() == "5e5aabf4411b782e80419b"


@given(st.tuples(PLAIN, st.integers(0, 20)), st.tuples(PLAIN, st.integers(0, 20)))
def test_digits_are_equal_only_for_equal_identities(one, other) -> None:
    assert (Identity(*one).digits() == Identity(*other).digits()) == (one == other)


def test_a_name_that_comes_again_is_another_attempt() -> None:
    seen = Occurrences()
    assert [seen.name("main/turn-1") for _ in range(2)] == [Identity("main/turn-1", 0), Identity("main/turn-1", 1)]
    assert seen.name("main/turn-2").attempt == 0


def test_what_was_not_seen_for_long_is_forgotten_and_the_counts_do_not_grow() -> None:
    seen = Occurrences()
    for number in range(70_000):
        seen.name(f"call-{number}")
        seen.name("again")
    assert len(seen._seen) == 1 << 16
    assert seen.name("again").attempt == 70_000
    assert seen.name("call-0").attempt == 0
