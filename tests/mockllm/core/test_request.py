"""Requests: equal content gives equal chains, in whatever form it comes, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.passage import Passage
from mockllm.core.request import (
    FIVE_MINUTES_US,
    Block,
    Breakpoint,
    Prefix,
    Request,
    TokenCounter,
    canonical,
    opaque_block,
    system_block,
    text_block,
    tool_block,
    tool_result_block,
    tool_use_block,
    write_out,
)


def counter_of(characters_per_token: float) -> TokenCounter:
    return TokenCounter(make_profile(characters_per_token=characters_per_token).tokens)


FOUR = counter_of(4.0)
BLOCKS = st.builds(
    Block,
    st.sampled_from(["tools", "system", "messages"]),
    st.integers(1, 50),
    st.just("text"),
    st.sampled_from(["user", "assistant"]),
    st.sampled_from(["a", "b", "c"]),
    st.just(4),
)
TEXTS = st.text(max_size=6)
PASSAGES = st.builds(Passage, st.text("ab/:-", min_size=1, max_size=12), st.integers(1, 300))
CONTENTS = st.one_of(TEXTS, PASSAGES, st.sampled_from(["[a 5] ", "[a 5]", "passage", "[a 5] the"]))


def chain(blocks: list[Block], scope: str = "model", salts: dict[int, bytes] | None = None) -> Prefix:
    prefix = Prefix(scope)
    for number, block in enumerate(blocks):
        prefix.append(block, (salts or {}).get(number, b""))
    return prefix


@given(st.lists(BLOCKS, max_size=5), st.lists(BLOCKS, max_size=5))
def test_chains_agree_exactly_as_far_as_their_blocks_do(one, other) -> None:
    first, second = chain(one), chain(other)
    for length in range(min(len(one), len(other)) + 1):
        same = [block.digest for block in one[:length]] == [block.digest for block in other[:length]]
        assert (first.hashes[length] == second.hashes[length]) == same


@given(st.lists(BLOCKS, max_size=6))
def test_totals_count_every_block_so_far(blocks) -> None:
    prefix = chain(blocks)
    assert prefix.totals == [sum(block.tokens for block in blocks[:length]) for length in range(len(blocks) + 1)]
    assert len(prefix) == len(blocks)


@given(st.lists(BLOCKS, min_size=1, max_size=5), st.data())
def test_a_salt_changes_the_chain_from_its_block_on_and_not_before(blocks, data) -> None:
    place = data.draw(st.integers(0, len(blocks) - 1))
    plain, salted = chain(blocks), chain(blocks, salts={place: b"thinking"})
    for length in range(len(blocks) + 1):
        assert (plain.hashes[length] == salted.hashes[length]) == (length <= place)


@given(st.lists(BLOCKS, max_size=3))
def test_chains_of_different_scopes_never_agree(blocks) -> None:
    assert not set(chain(blocks, "one").hashes) & set(chain(blocks, "two").hashes)


@given(st.lists(BLOCKS, min_size=1, max_size=6), st.data())
def test_a_request_speaks_of_its_own_part_of_the_chain_wherever_its_markers_lie(blocks, data) -> None:
    size = data.draw(st.integers(1, len(blocks)))
    marks = tuple(Breakpoint(place, FIVE_MINUTES_US) for place in sorted(data.draw(st.sets(st.integers(0, size - 1)))))
    request = Request(Identity("call"), "model", chain(blocks), size, marks, 10, True)
    unmarked = chain(blocks[:size])
    assert request.total_tokens == unmarked.totals[-1]
    assert [request.hash_after(place) for place in range(size)] == unmarked.hashes[1:]
    assert [request.tokens_through(place) for place in range(size)] == unmarked.totals[1:]


@pytest.mark.parametrize("thousandths", range(1000, 6001, 50))
def test_a_rendered_passage_counts_as_its_tokens_under_every_rule(thousandths) -> None:
    counter = counter_of(thousandths / 1000)
    wrong = [tokens for tokens in range(1, 5001) if counter.count("x" * counter.characters(tokens)) != tokens]
    assert wrong == []


@given(st.integers(1000, 6000), st.integers(1, 5000), st.text("ab", min_size=1, max_size=40))
def test_a_passage_written_out_counts_as_its_tokens(thousandths, tokens, key) -> None:
    counter = counter_of(thousandths / 1000)
    assert counter.count(write_out(Passage(key, tokens), counter)) == tokens


@given(st.integers(1000, 6000), TEXTS)
def test_tokens_are_the_characters_begun(thousandths, text) -> None:
    count = counter_of(thousandths / 1000).count(text)
    assert (count - 1) * thousandths < len(text) * 1000 <= count * thousandths


@given(PASSAGES, st.integers(1000, 6000))
def test_a_passage_and_its_own_text_are_one_and_the_same_block(passage, thousandths) -> None:
    counter = counter_of(thousandths / 1000)
    written = write_out(passage, counter)
    assert system_block(passage, counter) == system_block(written, counter)
    assert text_block("user", passage, counter) == text_block("user", written, counter)
    assert tool_result_block("id", passage, False, counter) == tool_result_block("id", written, False, counter)
    assert text_block("user", passage, counter).tokens == passage.tokens


@given(CONTENTS, CONTENTS)
def test_blocks_are_equal_only_for_equal_text(one, other) -> None:
    same = write_out(one, FOUR) == write_out(other, FOUR)
    assert (text_block("user", one, FOUR).digest == text_block("user", other, FOUR).digest) == same


def test_a_text_that_is_only_the_tag_of_a_passage_is_another_block_than_the_passage() -> None:
    passage = Passage("a", 100)
    assert text_block("user", passage.tag(), FOUR).digest != text_block("user", passage, FOUR).digest


@given(PASSAGES.filter(lambda passage: passage.tokens > 10))
def test_a_passage_with_one_letter_changed_is_text_of_its_own(passage) -> None:
    written = write_out(passage, FOUR)
    changed = written[:-1] + "#"
    block = text_block("user", changed, FOUR)
    assert block.digest != text_block("user", passage, FOUR).digest
    assert block.tokens == passage.tokens


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_parts_that_run_together_alike_are_told_apart(use_id, name, other_id, other_name) -> None:
    same = (use_id, name) == (other_id, other_name)
    one, other = tool_use_block(use_id, name, "{}", FOUR), tool_use_block(other_id, other_name, "{}", FOUR)
    assert (one.digest == other.digest) == same


def test_shifting_letters_between_parts_changes_the_digest() -> None:
    blocks = [
        tool_use_block("ab", "c", "{}", FOUR),
        tool_use_block("a", "bc", "{}", FOUR),
        tool_use_block("abc", "", "{}", FOUR),
        tool_result_block("ab", "c", False, FOUR),
        tool_result_block("a", "bc", False, FOUR),
        tool_result_block("ab", "c", True, FOUR),
        text_block("ab", "c", FOUR),
        text_block("a", "bc", FOUR),
    ]
    assert len({block.digest for block in blocks}) == len(blocks)


def test_the_same_text_at_another_place_of_the_prompt_is_another_block() -> None:
    blocks = [system_block("hi", FOUR), text_block("user", "hi", FOUR), text_block("assistant", "hi", FOUR)]
    assert len({block.digest for block in blocks}) == 3
    assert [block.level for block in blocks] == ["system", "messages", "messages"]


def test_a_tools_key_order_is_nothing_and_its_arguments_key_order_matters() -> None:
    assert tool_block({"a": 1, "b": 2}, FOUR) == tool_block({"b": 2, "a": 1}, FOUR)
    assert tool_use_block("i", "n", canonical({"a": 1, "b": 2}), FOUR) != tool_use_block(
        "i", "n", canonical({"b": 2, "a": 1}), FOUR
    )
    assert opaque_block("user", {"a": 1, "b": 2}, 9, eligible=True) == opaque_block(
        "user", {"b": 2, "a": 1}, 9, eligible=True
    )


def test_empty_text_cannot_carry_a_breakpoint() -> None:
    assert not system_block("", FOUR).eligible
    assert not text_block("user", "", FOUR).eligible
    assert text_block("user", "x", FOUR).eligible
    assert not opaque_block("assistant", {"type": "thinking"}, 7, eligible=False).eligible


@given(st.dictionaries(TEXTS, st.integers() | TEXTS), st.dictionaries(TEXTS, st.integers() | TEXTS))
def test_canonical_json_is_equal_only_for_equal_values_in_equal_order(one, other) -> None:
    assert (canonical(one) == canonical(other)) == (list(one.items()) == list(other.items()))


def test_text_that_no_encoding_can_hold_is_still_a_block() -> None:
    assert text_block("user", "\ud800", FOUR).digest != text_block("user", "\ud801", FOUR).digest
