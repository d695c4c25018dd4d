"""Replies: what is scripted is said, to the token, and what does not fit is cut as the real models cut it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.reply import Reply, Script, Text, ToolUse, compose
from mockllm.core.request import TokenCounter, canonical, write_out

COUNTER = TokenCounter(make_profile().tokens)
CALLS = st.lists(
    st.tuples(st.sampled_from(["search", "read_file"]), st.dictionaries(st.sampled_from("abc"), st.text(max_size=20))),
    max_size=3,
)
SCRIPTS = st.builds(Script, st.integers(1, 400), CALLS, st.none() | st.text(min_size=1, max_size=300))
PLENTY = 10_000
CALL = ("search", {"query": "x" * 20})
COST = 2 + 8  # "search", and {"query":"xxxxxxxxxxxxxxxxxxxx"}, at four characters a token


def say(script: Script, max_tokens: int = PLENTY, identity: Identity = Identity("main/turn-1")) -> Reply:  # noqa: B008
    return compose(script, identity, "model", max_tokens, COUNTER)


def tokens_of(part: Text | ToolUse) -> int:
    if isinstance(part, Text):
        return COUNTER.count(write_out(part.content, COUNTER))
    return COUNTER.count(part.name) + COUNTER.count(canonical(dict(part.arguments)))


@given(SCRIPTS)
def test_a_reply_that_fits_is_the_sum_of_its_parts_and_as_long_as_scripted(script) -> None:
    reply = say(script)
    assert reply.output_tokens == sum(tokens_of(part) for part in reply.parts)
    assert [(use.name, dict(use.arguments)) for use in reply.tool_uses] == list(script.tool_uses)
    assert reply.stop_reason == ("tool_use" if script.tool_uses else "end_turn")
    if script.text is None:
        cost = sum(tokens_of(use) for use in reply.tool_uses)
        assert reply.output_tokens == max(script.output_tokens, cost)
    else:
        assert reply.parts[0] == Text(script.text)


@given(SCRIPTS, st.integers(1, 500))
def test_a_reply_never_exceeds_max_tokens_and_says_so_when_it_is_cut(script, max_tokens) -> None:
    whole, reply = say(script), say(script, max_tokens)
    if whole.output_tokens <= max_tokens:
        assert reply == whole
        return
    assert reply.stop_reason == "max_tokens"
    assert reply.output_tokens == max_tokens
    assert sum(tokens_of(part) for part in reply.parts) <= max_tokens
    assert reply.tool_uses == whole.tool_uses[: len(reply.tool_uses)]


def test_text_comes_first_and_is_cut_to_fit() -> None:
    reply = say(Script(50, (CALL,)), max_tokens=20)
    assert [tokens_of(part) for part in reply.parts] == [20]
    assert reply.stop_reason == "max_tokens"
    assert say(Script(0, text="x" * 100), max_tokens=20).parts == (Text("x" * 80),)


def test_a_tool_call_that_does_not_fit_whole_is_dropped_and_those_after_it_too() -> None:
    script = Script(0, (CALL, ("search", {"query": "y" * 400}), CALL))
    reply = say(script, max_tokens=4 * COST)
    assert len(reply.tool_uses) == 1
    assert reply.output_tokens == 4 * COST


def test_a_limit_of_zero_says_nothing() -> None:
    assert say(Script(50, (CALL,)), max_tokens=0) == Reply(say(Script(1)).id, "model", (), 0, "max_tokens")


def test_tool_calls_may_come_without_a_word_and_an_answer_is_never_empty() -> None:
    assert say(Script(COST, (CALL,))).parts == say(Script(0, (CALL,))).parts
    assert len(say(Script(COST, (CALL,))).parts) == 1
    assert len(say(Script(COST, (CALL,), text="")).parts) == 1
    assert say(Script(0)).output_tokens == 1


def test_identifiers_are_stable_and_unique_to_the_call_and_the_place() -> None:
    script = Script(0, (CALL, CALL))
    identities = [Identity("a"), Identity("b"), Identity("a", 1), Identity("a/retry-1")]
    replies = [say(script, identity=identity) for identity in identities]
    ids = [reply.id for reply in replies] + [use.id for reply in replies for use in reply.tool_uses]
    assert len(set(ids)) == len(ids) == 12
    assert [say(script, identity=identity) for identity in identities] == replies


def test_two_calls_say_different_words() -> None:
    one, other = (say(Script(100), identity=Identity(path)).parts for path in ("a", "b"))
    assert write_out(one[0].content, COUNTER) != write_out(other[0].content, COUNTER)
