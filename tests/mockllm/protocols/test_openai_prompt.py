from __future__ import annotations

from profiles_for_tests import make_profile

from mockllm.core.request import Prefix, TokenCounter
from mockllm.protocols.openai_prompt import Prompt


def prompt() -> Prompt:
    return Prompt(Prefix("scope"), TokenCounter(make_profile().tokens))


def test_instructions_before_everything_else_are_the_system_prompt() -> None:
    made = prompt()
    made.tool({"type": "function"})
    made.schema({"type": "object"})
    made.text("system", "Be brief.")
    made.text("user", "Is it late?")
    made.text("system", "Be long.")
    assert [block.level for block in made.prefix.blocks] == ["tools", "system", "system", "messages", "messages"]


def test_marks_and_ends_of_messages_are_block_numbers() -> None:
    made = prompt()
    made.end_message()  # of nothing
    made.text("user", "a", {"mode": "explicit"})
    made.text("user", "b")
    made.end_message()
    made.other("user", {"type": "image_url", "prompt_cache_breakpoint": {"mode": "explicit"}})
    made.result("call_1", "c", {"mode": "explicit"})
    made.end_message()
    assert made.marks == [0, 2, 3]
    assert made.ends == [1, 3]


def test_a_breakpoint_is_no_part_of_what_it_stands_on() -> None:
    one, two = prompt(), prompt()
    one.other("user", {"type": "file", "file": {"file_id": "f"}, "prompt_cache_breakpoint": {"mode": "explicit"}})
    two.other("user", {"type": "file", "file": {"file_id": "f"}})
    assert one.prefix.hashes == two.prefix.hashes
    assert one.prefix.totals == [0, 2000]


def test_content_is_told_apart_by_the_model_and_whatever_the_answer_follows_from() -> None:
    made = prompt()
    made.text("user", "a")
    known = made.content("m", "auto")
    assert known == made.content("m", "auto")
    assert len({known, made.content("n", "auto"), made.content("m", "none"), made.content("m")}) == 4
    made.text("user", "b")
    assert made.content("m", "auto") != known
