from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.passage import Passage
from mockllm.core.request import Block, Prefix, Request, TokenCounter, opaque_block, text_block, tool_use_block
from mockllm.core.token_steps import step_names

ONE = TokenCounter(make_profile(characters_per_token=1.0).tokens)
FOUR = TokenCounter(make_profile().tokens)


def request(*blocks: Block) -> Request:
    prefix = Prefix("scope")
    for block in blocks:
        prefix.append(block)
    return Request(Identity("a"), "m", prefix, len(blocks), (), 10, False)


def said(*turns: tuple[str, str], counter: TokenCounter = ONE) -> Request:
    return request(*[text_block(role, text, counter) for role, text in turns])


def names(
    asked: Request, *, scope: str = "s", first: int = 2, step: int = 1, counter: TokenCounter = ONE
) -> list[bytes]:
    return step_names(asked, scope, first, step, counter)


turns = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text("ab", max_size=4)), max_size=5)


@given(turns, turns)
def test_two_prompts_share_the_names_of_what_both_begin_with(
    one: list[tuple[str, str]], two: list[tuple[str, str]]
) -> None:
    def flat(made: list[tuple[str, str]]) -> list[tuple[int, str, str]]:
        return [(number, role, letter) for number, (role, text) in enumerate(made) for letter in text]

    def empties(made: list[tuple[str, str]], token: int) -> list[tuple[int, str]]:
        """Blocks without tokens before the token: they tell prompts apart too."""
        return [
            (number, role) for number, (role, text) in enumerate(made) if not text and number < flat(made)[token][0]
        ]

    first, second = names(said(*one), first=1), names(said(*two), first=1)
    for at in range(min(len(first), len(second))):
        same = flat(one)[: at + 1] == flat(two)[: at + 1] and empties(one, at) == empties(two, at)
        assert (first[at] == second[at]) is same


def test_a_longer_message_in_the_same_block_shares_the_steps_of_its_beginning() -> None:
    short, long = said(("user", "abcdefgh")), said(("user", "abcdefghij"))
    assert names(short, step=3) == names(long, step=3)[:3]
    assert len(names(long, step=3)) == 3


def test_tokens_of_several_characters_are_compared_whole() -> None:
    short, long = said(("user", "abcdefg"), counter=FOUR), said(("user", "abcdefgh"), counter=FOUR)
    assert [len(names(asked, first=1, counter=FOUR)) for asked in (short, long)] == [2, 2]
    assert names(short, first=1, counter=FOUR)[0] == names(long, first=1, counter=FOUR)[0]
    assert names(short, first=1, counter=FOUR)[1] != names(long, first=1, counter=FOUR)[1]


def test_a_call_or_an_image_is_one_piece() -> None:
    one, two = (request(tool_use_block("c", "clock", text, ONE)) for text in ('{"a":1}', '{"a":2}'))
    assert not set(names(one)) & set(names(two))
    assert len(set(names(one))) == len(names(one)) == 11
    image = opaque_block("user", {"type": "image_url"}, 5, eligible=True)
    assert names(request(image)) == names(request(image, text_block("user", "x", ONE)))[:4]


def test_scopes_never_meet_and_a_passage_is_its_text() -> None:
    assert not set(names(said(("user", "abc")), scope="s")) & set(names(said(("user", "abc")), scope="t"))
    passage = Passage("filler", 200)
    by_tag, by_text = (request(text_block("user", each, ONE)) for each in (passage, passage.render(200)))
    assert names(by_tag) == names(by_text)


def test_a_short_prompt_has_no_step() -> None:
    assert names(said(("user", "a"))) == []
    assert len(names(said(("user", "ab")))) == 1
