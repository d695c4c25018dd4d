from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles_for_tests import AUTOMATIC, make_profile

from mockllm.core.automatic_cache import AutomaticCache
from mockllm.core.identity import Identity
from mockllm.core.profile import AutomaticRule
from mockllm.core.prompt_cache import CacheUse
from mockllm.core.request import Automatic, Prefix, Request, TokenCounter, scope, system_block, text_block

ONE = TokenCounter(make_profile(characters_per_token=1.0).tokens)
SECOND = 1_000_000
MINIMUM, STEP = 4, 2


def exact(value: float) -> dict[str, Any]:
    return {"value": value, "evidence": "published", "source": "tests"}


def steps(**fields: float) -> AutomaticRule:
    small = {"minimum_tokens": MINIMUM, "step_tokens": STEP, "life_s": 10} | fields
    return AutomaticRule.model_validate({"rule": "steps", **{name: exact(value) for name, value in small.items()}})


def breakpoints(**fields: float) -> AutomaticRule:
    small = {"minimum_tokens": MINIMUM, "writes": 4, "lookback": 80, "life_s": 10} | fields
    return AutomaticRule.model_validate(
        {"rule": "breakpoints", **{name: exact(value) for name, value in small.items()}}
    )


class Said(NamedTuple):
    """A prompt: texts of the user's, each a message, under a system prompt if there is one."""

    texts: tuple[str, ...]
    system: str = ""
    key: str = ""
    model: str = "m"
    workspace: str = "w"

    def ask(self, **automatic: Any) -> Request:
        prefix = Prefix(scope(self.model, self.workspace))
        if self.system:
            prefix.append(system_block(self.system, ONE))
        for text in self.texts:
            prefix.append(text_block("user", text, ONE))
        ends = tuple(range(len(prefix)))
        return Request(
            Identity("a"), self.model, prefix, len(prefix), (), 10, False,
            workspace=self.workspace, cache_key=self.key, automatic=Automatic(**({"ends": ends} | automatic)),
        )  # fmt: skip


def use(cache: AutomaticCache, request: Request, now_s: float = 0, begins_s: float | None = None) -> CacheUse:
    """A prompt that is admitted at `now_s` and begins to be answered at `begins_s`, at once if that is None."""
    now_us = round(now_s * SECOND)
    meeting = cache.meet(request, now_us)
    cache.keep(meeting, now_us, now_us if begins_s is None else round(begins_s * SECOND))
    assert sum(meeting.use) == request.total_tokens
    return meeting.use


# Steps.


def test_a_hit_is_the_minimum_and_whole_steps_and_writes_are_free() -> None:
    cache = AutomaticCache(steps(), ONE)
    assert use(cache, Said(("abcdefghi",)).ask()) == CacheUse(0, 0, 0, 9)
    assert use(cache, Said(("abcdefghi",)).ask(), 1) == CacheUse(8, 0, 0, 1)
    assert use(cache, Said(("abcdeX",)).ask(), 1) == CacheUse(4, 0, 0, 2)
    assert use(cache, Said(("abcX",)).ask(), 1) == CacheUse(0, 0, 0, 4)


def test_what_the_documentation_says_of_sizes_holds_at_full_size() -> None:
    cache = AutomaticCache(AutomaticRule.model_validate(AUTOMATIC["steps"]), ONE)
    for tokens, read in ((1023, 0), (1024, 1024), (1151, 1024), (1152, 1152), (2000, 1920)):
        text = f"{tokens}".ljust(tokens, "x")
        use(cache, Said((text,)).ask())
        assert use(cache, Said((text,)).ask(), 1).read_tokens == read


def test_a_grown_message_reads_the_steps_of_what_was_there_before() -> None:
    cache = AutomaticCache(steps(), ONE)
    use(cache, Said(("abcdefg",)).ask())
    assert use(cache, Said(("abcdefghijk",)).ask(), 1).read_tokens == 6
    assert use(cache, Said(("abcdefghijk", "next")).ask(), 1).read_tokens == 10


def test_models_workspaces_and_keys_never_meet() -> None:
    cache = AutomaticCache(steps(), ONE)
    held = Said(("abcdef",))
    use(cache, held.ask())
    for other in (held._replace(model="n"), held._replace(workspace="v"), held._replace(key="k")):
        assert use(cache, other.ask(), 1).read_tokens == 0
    assert use(cache, held.ask(), 1).read_tokens == 6


def test_an_entry_is_readable_once_the_first_response_began() -> None:
    cache = AutomaticCache(steps(), ONE)
    held = Said(("abcdef",)).ask()
    use(cache, held, 0, begins_s=2)
    assert use(cache, held, 1.999999, begins_s=5).read_tokens == 0
    assert use(cache, held, 2).read_tokens == 6


def test_a_life_is_renewed_by_use_and_ends_at_its_instant() -> None:
    cache = AutomaticCache(steps(), ONE)
    held = Said(("abcdef",)).ask()
    use(cache, held)
    assert use(cache, held, 9.999999).read_tokens == 6
    assert use(cache, held, 19.999998).read_tokens == 6
    assert use(cache, held, 29.999998).read_tokens == 0


def test_retention_for_a_day_outlives_what_is_usual() -> None:
    cache = AutomaticCache(steps(), ONE)
    held = Said(("abcdef",)).ask(retention_us=86_400 * SECOND)
    use(cache, held)
    assert use(cache, held, 86_399.999999).read_tokens == 6
    assert use(cache, held, 86_399.999999 + 86_400).read_tokens == 0


def test_memory_is_bounded_and_the_longest_unused_go_first() -> None:
    cache = AutomaticCache(steps(), ONE, most_entries=4)
    first, second = Said(("abcdefgh",)).ask(), Said(("ABCDEFGH",)).ask()
    use(cache, first)
    use(cache, second, 1)
    assert len(cache._entries) == 4
    assert use(cache, first, 2).read_tokens == 4
    assert len(cache._entries) == 4


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, int, Said, int | None]]:
    """Prompts in order of time: when each is admitted, how much later its response begins, and what life it wants."""
    now, history = 0, []
    text = st.text("ab", min_size=1, max_size=9)
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from([0, 1, 5, 9, 10, 11]))
        said = Said(
            tuple(draw(st.lists(text, min_size=1, max_size=3))),
            key=draw(st.sampled_from(["", "k"])),
            model=draw(st.sampled_from(["m", "n"])),
        )
        history.append((now, draw(st.integers(0, 6)), said, draw(st.sampled_from([None, 30]))))
    return history


@settings(max_examples=300)
@given(histories())
def test_steps_agree_with_a_plain_model_of_prefixes(history: list[tuple[int, int, Said, int | None]]) -> None:
    cache = AutomaticCache(steps(), ONE)
    past: list[tuple[int, int, Said, int]] = []
    for now, later, said, life in history:
        found = use(cache, said.ask(retention_us=None if life is None else life * SECOND), now, now + later)
        assert found.read_tokens == max([0, *[cut for cut in _cuts(said) if _readable(past, said, cut, now)]])
        past.append((now, now + later, said, life or 10))


def _tokens(said: Said) -> list[tuple[str, str, int, str]]:
    letters = [(number, letter) for number, text in enumerate(said.texts) for letter in text]
    return [(said.model, said.key, number, letter) for number, letter in letters]


def _cuts(said: Said) -> range:
    return range(MINIMUM, len(_tokens(said)) + 1, STEP)


def _readable(past: list[tuple[int, int, Said, int]], said: Said, cut: int, now: int) -> bool:
    """Whether prompts that began with the first `cut` tokens of `said` kept them alive until now."""
    wanted = _tokens(said)[:cut]
    readable = expires = life = -1
    for at, begins, other, wants in past:
        if cut in _cuts(other) and _tokens(other)[:cut] == wanted:
            fresh = at >= expires
            readable, life = (begins, wants) if fresh else (min(readable, begins), max(life, wants))
            expires = at + life
    return readable <= now < expires


# Breakpoints.


def test_the_newest_message_is_written_and_the_conversation_that_goes_on_from_it_reads_it() -> None:
    cache = AutomaticCache(breakpoints(), ONE)
    assert use(cache, Said(("abcde",)).ask()) == CacheUse(0, 5, 0, 0)
    assert use(cache, Said(("abcde", "fgh")).ask(), 1) == CacheUse(5, 3, 0, 0)
    assert use(cache, Said(("abcde", "fgh")).ask(), 1) == CacheUse(8, 0, 0, 0)


def test_a_stable_beginning_without_a_breakpoint_of_its_own_is_not_read() -> None:
    cache = AutomaticCache(breakpoints(), ONE)
    use(cache, Said(("one?",), system="abcdefgh").ask())
    assert use(cache, Said(("two?",), system="abcdefgh").ask(), 1).read_tokens == 0
    marked = {"marks": (0,)}
    assert use(cache, Said(("six?",), system="abcdefgh").ask(**marked), 1) == CacheUse(0, 12, 0, 0)
    assert use(cache, Said(("ten?",), system="abcdefgh").ask(**marked), 1) == CacheUse(8, 4, 0, 0)


def test_explicit_mode_without_breakpoints_caches_nothing() -> None:
    cache = AutomaticCache(breakpoints(), ONE)
    held = Said(("abcdefgh",)).ask(implicit=False)
    assert [use(cache, held, at) for at in (0, 1)] == [CacheUse(0, 0, 0, 8)] * 2


def test_explicit_mode_writes_up_to_its_last_mark_and_no_further() -> None:
    cache = AutomaticCache(breakpoints(), ONE)
    held = Said(("abcdefgh", "ijk")).ask(implicit=False, marks=(0,))
    assert use(cache, held) == CacheUse(0, 8, 0, 3)
    assert use(cache, held, 1) == CacheUse(8, 0, 0, 3)


@pytest.mark.parametrize(("implicit", "read"), [(True, [0, 0, 12, 16, 20]), (False, [0, 8, 12, 16, 20])])
def test_of_many_marks_the_latest_are_written_one_fewer_where_the_service_has_its_own(
    implicit: bool, read: list[int]
) -> None:
    texts = ("aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff")
    found = []
    for upto in range(1, 6):
        cache = AutomaticCache(breakpoints(), ONE)
        use(cache, Said(texts).ask(implicit=implicit, marks=(0, 1, 2, 3, 4)))
        found.append(
            use(cache, Said((*texts[:upto], "x")).ask(implicit=implicit, marks=tuple(range(upto))), 1).read_tokens
        )
    assert found == read


def test_a_read_looks_at_the_latest_breakpoints_only() -> None:
    cache = AutomaticCache(breakpoints(lookback=3), ONE)
    use(cache, Said(("abcd",)).ask())
    assert use(cache, Said(("abcd", "e", "f")).ask(), 1).read_tokens == 4
    fresh = AutomaticCache(breakpoints(lookback=3), ONE)
    use(fresh, Said(("abcd",)).ask())
    assert use(fresh, Said(("abcd", "e", "f", "g")).ask(), 1).read_tokens == 0


def test_identical_prompts_at_once_all_pay_for_writing() -> None:
    cache = AutomaticCache(breakpoints(), ONE)
    held = Said(("abcdefgh",)).ask()
    assert [use(cache, held, 0, begins_s=2) for _ in range(2)] == [CacheUse(0, 8, 0, 0)] * 2
    assert use(cache, held, 2) == CacheUse(8, 0, 0, 0)


def test_a_read_renews_the_breakpoint_that_it_read() -> None:
    cache = AutomaticCache(breakpoints(), ONE)
    use(cache, Said(("abcdefgh",)).ask())
    assert use(cache, Said(("abcdefgh", "i")).ask(), 9).read_tokens == 8
    assert use(cache, Said(("abcdefgh", "j")).ask(), 18).read_tokens == 8


def test_the_longest_life_that_was_asked_for_counts() -> None:
    cache = AutomaticCache(breakpoints(), ONE)
    use(cache, Said(("abcdefgh",)).ask(ttl_us=60 * SECOND))
    assert use(cache, Said(("abcdefgh",)).ask(), 59).read_tokens == 8


@pytest.mark.parametrize("rule", [steps(), breakpoints()])
def test_a_run_that_starts_warm_has_its_instructions_kept_and_no_message(rule: AutomaticRule) -> None:
    cache = AutomaticCache(rule, ONE)
    first = Said(("one?",), system="abcdefgh").ask()
    cache.begin_warm(first)
    assert use(cache, first).read_tokens == 8
    late = Said(("two?",), system="ABCDEFGH").ask()
    cache.begin_warm(late)
    assert use(cache, late, 11).read_tokens == 0  # what a run starts with lives from its start


def test_a_rule_has_its_own_parameters_and_no_others() -> None:
    with pytest.raises(ValueError, match="the rule steps needs step_tokens"):
        AutomaticRule.model_validate({**AUTOMATIC["steps"], "step_tokens": None})
    with pytest.raises(ValueError, match="the rule steps has no writes"):
        AutomaticRule.model_validate({**AUTOMATIC["steps"], "writes": exact(4)})
