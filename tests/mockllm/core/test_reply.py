"""Replies: what is scripted is said, to the token, and what does not fit is cut as the real models cut it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.reply import Reply, Script, Text, Thinking, ToolUse, compose
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


def say(
    script: Script,
    max_tokens: int = PLENTY,
    identity: Identity = Identity("main/turn-1"),  # noqa: B008  # immutable
    stop: tuple[str, ...] = (),
    thinking: str = "",
) -> Reply:
    return compose(script, identity, "model", max_tokens, COUNTER, stop, thinking)


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


def test_the_text_ends_before_the_first_stop_sequence_and_nothing_follows_it() -> None:
    reply = say(Script(0, (CALL,), text="one two three four"), stop=("four", "thr", "three"))
    assert reply.parts == (Text("one two "),)
    assert (reply.stop_reason, reply.stop_sequence, reply.output_tokens) == ("stop_sequence", "three", 2)
    assert reply.tool_uses == ()


def test_a_stop_sequence_that_lies_beyond_the_limit_is_never_said() -> None:
    reply = say(Script(0, text="one two three four"), max_tokens=2, stop=("three",))
    assert (reply.parts, reply.stop_reason, reply.stop_sequence) == ((Text("one two "),), "max_tokens", None)


def test_a_stop_sequence_at_the_very_start_leaves_no_text() -> None:
    reply = say(Script(0, text="stop it"), stop=("stop",))
    assert (reply.parts, reply.output_tokens, reply.stop_sequence) == ((), 1, "stop")


@given(SCRIPTS, st.lists(st.text(min_size=1, max_size=3), max_size=4).map(tuple), st.integers(1, 500))
def test_no_text_ever_holds_a_stop_sequence(script, stop, max_tokens) -> None:
    reply = say(script, max_tokens, stop=stop)
    texts = [write_out(part.content, COUNTER) for part in reply.parts if isinstance(part, Text)]
    assert not [one for one in stop for text in texts if one in text]
    assert (reply.stop_sequence is not None) == (reply.stop_reason == "stop_sequence")
    if reply.stop_sequence is None:
        assert reply == say(script, max_tokens)


def test_thinking_comes_first_is_part_of_the_output_and_needs_the_request_s_leave() -> None:
    script = Script(100, (CALL,), thinking_tokens=30)
    assert say(script) == say(script._replace(thinking_tokens=0))
    reply = say(script, thinking="summarized")
    thought, text, call = reply.parts
    assert isinstance(thought, Thinking)
    assert isinstance(text, Text)
    assert isinstance(call, ToolUse)
    assert thought.shown
    assert COUNTER.count(write_out(thought.content, COUNTER)) == 30
    assert (reply.output_tokens, reply.thinking_tokens, tokens_of(text)) == (100, 30, 100 - 30 - COST)
    hidden = say(script, thinking="omitted").parts[0]
    assert hidden == thought._replace(shown=False)


def test_thinking_can_use_up_the_limit() -> None:
    reply = say(Script(100, thinking_tokens=30), max_tokens=20, thinking="omitted")
    assert [type(part) for part in reply.parts] == [Thinking]
    assert (reply.output_tokens, reply.thinking_tokens, reply.stop_reason) == (20, 20, "max_tokens")


def test_a_signature_is_the_identity_s_own_and_stable() -> None:
    identities = [Identity("a"), Identity("b"), Identity("a", 1)]
    script = Script(50, thinking_tokens=10)
    signatures = [say(script, identity=one, thinking="omitted").parts[0].signature for one in identities]
    assert len(set(signatures)) == 3
    assert signatures == [say(script, identity=one, thinking="summarized").parts[0].signature for one in identities]
