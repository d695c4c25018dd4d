from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.reply import Reply, Script, Text, compose
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.timeline import Flush
from mockllm.protocols.pieces import pieces, visible

COUNTER = TokenCounter(make_profile().tokens)


@st.composite
def replies(draw: st.DrawFn) -> tuple[Reply, list[Flush]]:
    text = draw(st.none() | st.text(min_size=1, max_size=80))
    uses = [(f"tool_{n}", {"a": draw(st.text(max_size=30))}) for n in range(draw(st.integers(0, 3)))]
    script = Script(draw(st.integers(0, 60)), uses, text, draw(st.integers(0, 20)))
    thinking = draw(st.sampled_from(["", "omitted"]))
    reply = compose(script, Identity("a/b"), "m", draw(st.integers(1, 80)), COUNTER, (), thinking)
    flushes, left, at_us = [], reply.output_tokens, 0
    while left:
        size = draw(st.integers(1, left))
        at_us += draw(st.integers(1, 50))
        flushes.append(Flush(at_us, size))
        left -= size
    return reply, flushes


@given(replies())
def test_the_pieces_of_a_part_are_the_part_in_order_of_time(made: tuple[Reply, list[Flush]]) -> None:
    reply, flushes = made
    said = list(pieces(reply, flushes, COUNTER))
    assert [piece.at_us for piece in said] == sorted(piece.at_us for piece in said)
    parts = visible(reply)
    assert sorted({piece.number for piece in said}) == list(range(len(parts)))
    for number, part in enumerate(parts):
        own = [piece for piece in said if piece.number == number]
        whole = write_out(part.content, COUNTER) if isinstance(part, Text) else part.json
        assert "".join(piece.text for piece in own) == whole
        assert [piece.opens for piece in own] == [True] + [False] * (len(own) - 1)
        assert [piece.closes for piece in own] == [False] * (len(own) - 1) + [True]


@given(replies())
def test_nothing_comes_before_its_tokens_and_all_with_the_last(made: tuple[Reply, list[Flush]]) -> None:
    reply, flushes = made
    said = list(pieces(reply, flushes, COUNTER))
    if not said:
        return
    assert said[-1].tokens == reply.output_tokens
    assert said[-1].at_us == flushes[-1].at_us
    thought = next((flush.at_us for flush, reached in _reached(flushes) if reached > reply.thinking_tokens), 0)
    assert said[0].at_us == thought


def _reached(flushes: list[Flush]) -> list[tuple[Flush, int]]:
    total, reached = 0, []
    for flush in flushes:
        total += flush.tokens
        reached.append((flush, total))
    return reached


def test_a_text_is_visible_from_its_first_token_on() -> None:
    reply = compose(Script(10, text="abcdefgh"), Identity("a"), "m", 100, COUNTER)
    flushes = [Flush(5, 1), Flush(9, reply.output_tokens - 1)]
    assert [(piece.at_us, piece.text) for piece in pieces(reply, flushes, COUNTER)] == [(5, "abcd"), (9, "efgh")]
