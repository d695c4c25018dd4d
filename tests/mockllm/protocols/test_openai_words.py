from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.reply import Reply, ToolUse
from mockllm.protocols.openai_words import call_id, digits, padding


def test_ids_keep_what_tells_one_answer_from_another() -> None:
    assert digits(Reply("msg_01abc", "m", (), 0, "end_turn")) == "abc"
    assert call_id(ToolUse("toolu_01abc", "t", {}, "{}")) == "call_abc"


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_padding_fills_a_chunk_to_the_next_sixteen_and_is_never_empty(number: int, length: int) -> None:
    filler = padding("msg_01abc", number, length)
    assert filler.isalnum()
    assert 1 <= len(filler) <= 16
    assert (length + len(filler)) % 16 == 0
    assert filler == padding("msg_01abc", number, length)
