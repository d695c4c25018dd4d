"""Prompt caching: each rule of the documentation by itself, and all of them against a model without hashing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from profiles_for_tests import make_profile

from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.prompt_cache import CacheUse, PromptCache
from mockllm.core.request import FIVE_MINUTES_US, ONE_HOUR_US, Block, Breakpoint, Prefix, Request

HUNDRED = 100  # tokens of every block in the tests of single rules


def cache_of(**overrides: object) -> PromptCache:
    return PromptCache(make_profile(**{"minimum_tokens": HUNDRED, **overrides}).cache)


def prompt(words: str, *marks: int | tuple[int, int], scope: str = "model", tokens: int = HUNDRED) -> Request:
    """One block for each letter of `words`; a mark is a block's number, or that and its life."""
    prefix = Prefix(scope)
    for letter in words:
        prefix.append(Block("messages", tokens, "text", "user", letter, tokens))
    return Request(
        Identity("call"),
        "model",
        prefix,
        len(words),
        tuple(Breakpoint(*mark) if isinstance(mark, tuple) else Breakpoint(mark, FIVE_MINUTES_US) for mark in marks),
        100,
        True,
    )


def ask(cache: PromptCache, request: Request, now_us: int, first_us: int = 0) -> CacheUse:
    use = cache.read(request, now_us)
    cache.write(request, now_us, now_us + first_us)
    return use


def test_a_prompt_without_breakpoints_is_all_input_and_leaves_nothing_behind() -> None:
    cache = cache_of()
    assert ask(cache, prompt("abc"), 0) == CacheUse(0, 0, 0, 300)
    assert ask(cache, prompt("abc", 2), 1) == CacheUse(0, 300, 0, 0)


def test_a_repeated_prompt_reads_what_the_first_wrote() -> None:
    cache = cache_of()
    assert ask(cache, prompt("abc", 1), 0) == CacheUse(0, 200, 0, 100)
    assert ask(cache, prompt("abc", 1), 1) == CacheUse(200, 0, 0, 100)


def test_the_next_turn_reads_the_last_and_writes_what_is_new() -> None:
    cache = cache_of()
    ask(cache, prompt("abc", 2), 0)
    assert ask(cache, prompt("abcdef", 4), 1) == CacheUse(300, 200, 0, 100)


def test_the_longest_prefix_wins() -> None:
    cache = cache_of()
    ask(cache, prompt("abcdef", 1, 3), 0)
    assert cache.read(prompt("abcdef", 1, 5), 1).read_tokens == 400
    assert cache.read(prompt("abxdef", 1, 5), 1).read_tokens == 200


def test_entries_exist_at_breakpoints_only() -> None:
    cache = cache_of()
    ask(cache, prompt("abcdef", 5), 0)
    assert cache.read(prompt("abcxyz", 5), 1).read_tokens == 0


def test_a_change_early_in_the_prompt_loses_everything_after_it() -> None:
    cache = cache_of()
    ask(cache, prompt("abcdef", 5), 0)
    assert cache.read(prompt("xbcdef", 5), 1).read_tokens == 0


@pytest.mark.parametrize(("appended", "read"), [(19, 100), (20, 0)])
def test_lookback_reaches_twenty_positions_counting_the_breakpoint(appended: int, read: int) -> None:
    cache = cache_of()
    ask(cache, prompt("a", 0), 0)
    assert cache.read(prompt("a" + "b" * appended, appended), 1).read_tokens == read


def test_lookback_starts_again_from_an_earlier_breakpoint() -> None:
    cache = cache_of()
    ask(cache, prompt("a", 0), 0)
    words = "a" + "b" * 40
    assert cache.read(prompt(words, 40), 1).read_tokens == 0
    assert cache.read(prompt(words, 20, 40), 1).read_tokens == 0
    assert cache.read(prompt(words, 19, 40), 1).read_tokens == 100


def test_breakpoints_that_lie_close_together_widen_the_reach_by_their_distance_only() -> None:
    cache = cache_of(lookback_blocks=3)
    ask(cache, prompt("abc", 2), 0)
    assert cache.read(prompt("abc" + "d" * 4, 5, 6), 1).read_tokens == 0
    assert cache.read(prompt("abc" + "d" * 3, 4, 5), 1).read_tokens == 300


@pytest.mark.parametrize(("tokens", "use"), [(511, CacheUse(0, 0, 0, 1022)), (512, CacheUse(1024, 0, 0, 0))])
def test_a_prefix_below_the_minimum_is_silently_left_uncached(tokens: int, use: CacheUse) -> None:
    cache = cache_of(minimum_tokens=1024)
    ask(cache, prompt("ab", 1, tokens=tokens), 0)
    assert ask(cache, prompt("ab", 1, tokens=tokens), 1) == use


def test_a_breakpoint_below_the_minimum_does_not_stop_a_later_one() -> None:
    cache = cache_of(minimum_tokens=250)
    assert ask(cache, prompt("abc", 0, 2), 0) == CacheUse(0, 300, 0, 0)
    assert cache.read(prompt("axx", 0), 1).read_tokens == 0
    assert cache.read(prompt("abc", 0, 2), 1).read_tokens == 300


@pytest.mark.parametrize("ttl_us", [FIVE_MINUTES_US, ONE_HOUR_US])
def test_an_entry_has_expired_at_the_very_end_of_its_life(ttl_us: int) -> None:
    for elapsed_us, read in ((ttl_us - 1, 200), (ttl_us, 0)):
        cache = cache_of()
        ask(cache, prompt("ab", (1, ttl_us)), 1000)
        assert cache.read(prompt("ab", (1, ttl_us)), 1000 + elapsed_us).read_tokens == read


def test_each_read_renews_the_entry_that_it_read_for_the_entrys_own_life() -> None:
    cache = cache_of()
    cache.write(prompt("ab", (1, ONE_HOUR_US)), 0, 0)
    request = prompt("ab", 1)
    assert cache.read(request, ONE_HOUR_US - 1).read_tokens == 200
    assert cache.read(request, 2 * ONE_HOUR_US - 2).read_tokens == 200
    assert cache.read(request, 3 * ONE_HOUR_US - 2).read_tokens == 0


def test_a_read_renews_no_shorter_entry() -> None:
    cache = cache_of()
    cache.write(prompt("abcd", 1, 3), 0, 0)
    assert cache.read(prompt("abcd", 3), FIVE_MINUTES_US - 1).read_tokens == 400
    assert cache.read(prompt("abxx", 3), FIVE_MINUTES_US).read_tokens == 0


def test_marking_an_entry_again_renews_it_for_the_longer_life() -> None:
    for first, second in ((ONE_HOUR_US, FIVE_MINUTES_US), (FIVE_MINUTES_US, ONE_HOUR_US)):
        cache = cache_of()
        cache.write(prompt("ab", (1, first)), 0, 0)
        cache.write(prompt("ab", (1, second)), 10, 10)
        assert cache.read(prompt("ab", 1), ONE_HOUR_US + 9).read_tokens == 200


def test_an_expired_entry_that_is_written_again_starts_afresh() -> None:
    cache = cache_of()
    cache.write(prompt("ab", (1, ONE_HOUR_US)), 0, 0)
    cache.write(prompt("ab", 1), ONE_HOUR_US, ONE_HOUR_US + 7)
    assert cache.read(prompt("ab", 1), ONE_HOUR_US + 6).read_tokens == 0
    assert cache.read(prompt("ab", 1), ONE_HOUR_US + 7).read_tokens == 200
    assert cache.read(prompt("ab", 1), ONE_HOUR_US + 7 + FIVE_MINUTES_US).read_tokens == 0


def test_an_entry_is_readable_only_once_the_first_response_begins() -> None:
    cache = cache_of()
    ask(cache, prompt("ab", 1), 0, first_us=700)
    assert cache.read(prompt("ab", 1), 699).read_tokens == 0
    assert cache.read(prompt("ab", 1), 700).read_tokens == 200


def test_while_an_entry_is_not_yet_readable_a_shorter_one_serves() -> None:
    cache = cache_of()
    ask(cache, prompt("ab", 1), 0)
    ask(cache, prompt("abcd", 3), 1, first_us=700)
    assert cache.read(prompt("abcd", 3), 2) == CacheUse(200, 200, 0, 0)


def test_identical_concurrent_prompts_both_pay_and_the_earlier_response_opens_the_entry() -> None:
    for first_us, second_us in ((700, 900), (900, 700)):
        cache = cache_of()
        assert ask(cache, prompt("ab", 1), 0, first_us).write_5m_tokens == 200
        assert ask(cache, prompt("ab", 1), 0, second_us).write_5m_tokens == 200
        assert cache.read(prompt("ab", 1), 699).read_tokens == 0
        assert cache.read(prompt("ab", 1), 700).read_tokens == 200


def test_one_hour_and_five_minute_writes_are_paid_apart() -> None:
    cache = cache_of()
    marks = ((0, ONE_HOUR_US), (1, ONE_HOUR_US), (3, FIVE_MINUTES_US))
    assert ask(cache, prompt("abcde", *marks), 0) == CacheUse(0, 200, 200, 100)
    assert ask(cache, prompt("abcde", *marks), 1) == CacheUse(400, 0, 0, 100)
    assert ask(cache, prompt("abxyz", *marks), 2) == CacheUse(200, 200, 0, 100)
    assert ask(cache, prompt("axxyz", *marks), 3) == CacheUse(100, 200, 100, 100)


def test_the_part_kept_for_an_hour_outlives_the_part_kept_for_five_minutes() -> None:
    cache = cache_of()
    marks = ((1, ONE_HOUR_US), (3, FIVE_MINUTES_US))
    ask(cache, prompt("abcd", *marks), 0)
    assert ask(cache, prompt("abcd", *marks), FIVE_MINUTES_US) == CacheUse(200, 200, 0, 0)


def test_another_scope_never_hits() -> None:
    cache = cache_of()
    ask(cache, prompt("abc", 2, scope="model\x1fone"), 0)
    assert cache.read(prompt("abc", 2, scope="model\x1ftwo"), 1).read_tokens == 0


def test_what_a_shared_chain_holds_beyond_the_request_counts_for_nothing() -> None:
    cache = cache_of()
    whole = prompt("abcdef", 5)
    ask(cache, whole, 0)
    part = Request(whole.identity, "model", whole.prefix, 4, (Breakpoint(3, FIVE_MINUTES_US),), 100, True)
    assert ask(cache, part, 1) == CacheUse(0, 400, 0, 0)
    assert ask(cache, whole, 2) == CacheUse(600, 0, 0, 0)


def test_expired_entries_are_swept_out_and_living_ones_kept() -> None:
    cache = cache_of()
    cache.write(prompt("k", (0, ONE_HOUR_US)), 0, 0)
    for words, now_us in (("x", 1), ("y", 1 + FIVE_MINUTES_US)):
        for number in range(4096):
            cache.write(prompt(words, 0, scope=str(number)), now_us, now_us)
    assert len(cache._entries) == 1 + 4096
    assert cache.read(prompt("k", 0), 1 + FIVE_MINUTES_US).read_tokens == 100


def under_pressure(mean_s: float = 100.0) -> PromptCache:
    return PromptCache(make_profile(minimum_tokens=HUNDRED, eviction_mean_s=mean_s).cache, Draws(1, 0))


def test_other_tenants_evict_an_entry_before_its_time_and_no_read_keeps_it() -> None:
    gone = 0
    for number in range(400):
        cache = under_pressure()
        ask(cache, prompt("ab", (1, ONE_HOUR_US), scope=str(number)), 0)
        reads = [cache.read(prompt("ab", 1, scope=str(number)), at * 10_000_000).read_tokens for at in range(1, 11)]
        assert reads == sorted(reads, reverse=True)
        gone += reads[-1] == 0
    assert 220 < gone < 285  # 1 - 1/e of 400 is 253, with a standard deviation of 10


def test_an_eviction_is_a_matter_of_what_is_kept_and_by_whom_and_not_of_order() -> None:
    prompts = [prompt("ab", 1, scope=str(number)) for number in range(20)]

    def left(order: list[Request]) -> list[int]:
        cache = under_pressure(50.0)
        for one in order:
            cache.write(one, 0, 0)
        return [cache.read(one, 60_000_000).read_tokens for one in prompts]

    assert left(prompts) == left(prompts[::-1])
    assert 0 < left(prompts).count(0) < 20


@dataclass
class PlainEntry:
    """What the model remembers: the whole prefix itself, and when it may be read."""

    scope: str
    words: str
    readable_us: int
    expires_us: int
    ttl_us: int


LOOKBACK, MINIMUM = 4, 3
TOKENS = {"a": 1, "b": 2}
# Mostly short, else as long as a life or just not, also after the few microseconds of the short ones.
PAUSES = st.sampled_from(
    [0, 0, 0, 0, 1, 2, 3, FIVE_MINUTES_US - 2, FIVE_MINUTES_US - 1, FIVE_MINUTES_US, ONE_HOUR_US - 1, ONE_HOUR_US]
)


class CacheAgainstPlainLists(RuleBasedStateMachine):
    """The same requests to the cache and to a list of whole prefixes that is searched from end to end."""

    @initialize()
    def start(self) -> None:
        self.cache = cache_of(minimum_tokens=MINIMUM, lookback_blocks=LOOKBACK)
        self.entries: list[PlainEntry] = []
        self.now_us = 0
        self.words = "abab"
        self.last: tuple[CacheUse, CacheUse] | None = None

    @rule(forgotten=st.integers(0, 3), words=st.text("ab", max_size=3))
    def the_conversation_goes_on_from_a_little_earlier(self, forgotten: int, words: str) -> None:
        self.words = self.words[: max(0, len(self.words) - forgotten)] + words

    @rule(
        pause_us=PAUSES,
        back=st.sets(st.sampled_from([0, 0, 1, 2, 3, 4, 5, 7]), max_size=4),
        hours=st.sampled_from([0, 0, 1, 2, 4]),
        scope=st.sampled_from("xxxxxy"),
        first_us=st.sampled_from([0, 0, 1, 2, 3]),
        fails=st.sampled_from([False, False, False, True]),
    )
    def a_request(self, pause_us: int, back: set[int], hours: int, scope: str, first_us: int, fails: bool) -> None:
        self.now_us += pause_us
        kept = sorted(len(self.words) - 1 - distance for distance in back if distance < len(self.words))
        lives = [ONE_HOUR_US if number < hours else FIVE_MINUTES_US for number in range(len(kept))]
        marks = list(zip(kept, lives, strict=True))
        prefix = Prefix(scope)
        for letter in self.words + "ab":  # a chain that went on after this request
            prefix.append(Block("messages", TOKENS[letter], "text", "user", letter, TOKENS[letter]))
        breakpoints = tuple(Breakpoint(place, life) for place, life in marks)
        request = Request(Identity("call"), "model", prefix, len(self.words), breakpoints, 100, True)
        self.last = self.cache.read(request, self.now_us), self.model_read(scope, marks)
        if not fails:
            self.cache.write(request, self.now_us, self.now_us + first_us)
            self.model_write(scope, marks, self.now_us + first_us)

    @invariant()
    def the_cache_agrees_with_the_lists(self) -> None:
        if self.last is not None:
            assert self.last[0] == self.last[1]

    def model_read(self, scope: str, marks: list[tuple[int, int]]) -> CacheUse:
        within_reach = {place - back for place, _ in marks for back in range(LOOKBACK) if place - back >= 0}
        hits = [
            entry
            for entry in self.entries
            if entry.scope == scope
            and len(entry.words) - 1 in within_reach
            and self.words.startswith(entry.words)
            and entry.readable_us <= self.now_us < entry.expires_us
        ]
        read = 0
        if hits:
            longest = max(hits, key=lambda entry: len(entry.words))
            longest.expires_us = self.now_us + longest.ttl_us
            read = tokens_of(longest.words)
        kept = [(tokens_of(self.words[: place + 1]), life) for place, life in marks]
        hour = max([read] + [tokens for tokens, life in kept if tokens >= MINIMUM and life == ONE_HOUR_US])
        end = max([read] + [tokens for tokens, _ in kept if tokens >= MINIMUM])
        return CacheUse(read, end - hour, hour - read, tokens_of(self.words) - end)

    def model_write(self, scope: str, marks: list[tuple[int, int]], readable_us: int) -> None:
        for place, life in marks:
            words = self.words[: place + 1]
            if tokens_of(words) < MINIMUM:
                continue
            alive = [
                entry
                for entry in self.entries
                if entry.scope == scope and entry.words == words and self.now_us < entry.expires_us
            ]
            longer = max([life] + [entry.ttl_us for entry in alive])
            earlier = min([readable_us] + [entry.readable_us for entry in alive])
            self.entries = [entry for entry in self.entries if (entry.scope, entry.words) != (scope, words)]
            self.entries.append(PlainEntry(scope, words, earlier, self.now_us + longer, longer))


def tokens_of(words: str) -> int:
    return sum(TOKENS[letter] for letter in words)


TestCacheAgainstPlainLists = CacheAgainstPlainLists.TestCase
TestCacheAgainstPlainLists.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
