"""Rate limits: each rule by itself, and the buckets with the prompt cache against models without cleverness."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.limits import Bucket, LimitError, Limits, RateLimitedError, RateLimits, Standing, limits_of
from mockllm.core.prompt_cache import PromptCache
from mockllm.core.request import FIVE_MINUTES_US, Block, Breakpoint, Prefix, Request

SECOND, MINUTE = 1_000_000, 60_000_000


def refused(limits: RateLimits, tokens: int, now_us: int) -> RateLimitedError | None:
    try:
        limits.admit("m", "w", tokens, now_us)
    except RateLimitedError as error:
        return error
    return None


def test_a_bucket_holds_a_minute_and_fills_all_the_time() -> None:
    bucket = Bucket(60)
    assert bucket.standing(0) == Standing(60, 60, 0)
    bucket.take(60, 0)
    assert bucket.standing(0) == Standing(60, 0, MINUTE)
    assert bucket.wait_us(1, 0) == SECOND
    assert not bucket.fits(1, SECOND - 1)
    assert bucket.fits(1, SECOND)
    assert bucket.standing(30 * SECOND) == Standing(60, 30, 30 * SECOND)
    assert bucket.standing(10 * MINUTE) == Standing(60, 60, 0)


def test_a_debt_is_worked_off_before_anything_fits() -> None:
    bucket = Bucket(60)
    bucket.take(90, 0)
    assert bucket.standing(0).remaining == 0
    assert bucket.wait_us(1, 0) == 31 * SECOND
    assert bucket.fits(1, 31 * SECOND)


def test_what_is_more_than_the_limit_never_fits_and_waits_for_a_full_bucket() -> None:
    bucket = Bucket(60)
    bucket.take(30, 0)
    assert bucket.wait_us(100, 0) == 30 * SECOND
    assert not bucket.fits(61, 10 * MINUTE)


@given(
    limit=st.integers(1, 10_000),
    steps=st.lists(st.tuples(st.integers(0, 2 * MINUTE), st.integers(0, 20_000)), max_size=40),
)
def test_a_bucket_is_exact_and_never_above_its_size(limit: int, steps: list[tuple[int, int]]) -> None:
    bucket, level, now_us = Bucket(limit), Fraction(limit), 0
    for pause_us, tokens in steps:
        now_us += pause_us
        level = min(Fraction(limit), level + Fraction(limit * pause_us, MINUTE))
        assert bucket.fits(tokens, now_us) == (tokens <= level)
        if tokens <= level:
            assert bucket.wait_us(tokens, now_us) == 0
        else:
            wait_us = bucket.wait_us(tokens, now_us)
            then = min(Fraction(limit), level + Fraction(limit * wait_us, MINUTE))
            before = level + Fraction(limit * (wait_us - 1), MINUTE)
            assert then >= min(tokens, limit) > before
        bucket.take(tokens, now_us)
        level -= tokens
        standing = bucket.standing(now_us)
        assert standing.remaining == max(0, level.__floor__())
        assert 0 <= standing.remaining <= limit


def test_over_a_minute_exactly_the_limit_and_the_burst_pass() -> None:
    limits = RateLimits(Limits(requests=50))
    passed = sum(refused(limits, 1, at_us) is None for at_us in range(0, MINUTE + 1, MINUTE // 1000))
    assert passed == 50 + 50


def test_a_refusal_says_which_limit_and_when_it_passes_and_counts_nothing() -> None:
    limits = RateLimits(Limits(requests=60, input_tokens=1000))
    assert refused(limits, 900, 0) is None
    error = refused(limits, 300, 0)
    assert error is not None
    assert (error.limit, error.what, error.retry_after_s) == (1000, "input tokens", 12)
    assert limits.standings("m", "w", 0).requests.remaining == 59
    assert refused(limits, 300, 12 * SECOND) is None


def test_output_counts_as_it_is_said_and_a_debt_refuses_the_next_request() -> None:
    limits = RateLimits(Limits(output_tokens=800))
    assert refused(limits, 1, 0) is None
    limits.produce("m", "w", 1600, 10 * SECOND, 26 * SECOND)
    assert limits.standings("m", "w", 10 * SECOND).output_tokens.remaining == 800
    # An eighth, 200 tokens, every two seconds, in which 26.7 come back.
    assert limits.standings("m", "w", 12 * SECOND).output_tokens.remaining == 600
    assert refused(limits, 1, 16 * SECOND) is None
    error = refused(limits, 1, 26 * SECOND)
    assert error is not None
    assert error.what == "output tokens"
    # 800 - 1600 + 7 * 26.67 is -613.3, so the first token is there again after (613.3 + 1) * 60 / 800 s.
    assert error.retry_after_s == 47
    assert refused(limits, 1, (26 + 47) * SECOND) is None


def test_each_model_and_each_workspace_has_buckets_of_its_own() -> None:
    limits = RateLimits(Limits(requests=1))
    for model, workspace in (("m", "w"), ("m", "v"), ("n", "w")):
        limits.admit(model, workspace, 1, 0)
        with pytest.raises(RateLimitedError):
            limits.admit(model, workspace, 1, 0)


def test_the_holders_that_are_remembered_are_the_last_ones() -> None:
    limits = RateLimits(Limits(requests=1))
    for number in range(5000):
        limits.admit("m", str(number), 1, 0)
    assert len(limits._holders) == 4096
    limits.produce("m", "0", 10, 0, 1)  # of a holder that was forgotten
    limits.admit("m", "0", 1, 0)


@pytest.mark.parametrize("word", ["requests", "requests=0", "requests=-1", "tokens=5", "output-tokens=many", "=3"])
def test_a_limit_that_cannot_be_read_is_one_line(word: str) -> None:
    with pytest.raises(LimitError, match="write requests=NUMBER, input-tokens=NUMBER or output-tokens=NUMBER"):
        limits_of([word])


def test_a_command_line_sets_some_limits_and_leaves_the_others() -> None:
    assert limits_of(["requests=50", "input-tokens=30_000"]) == Limits(requests=50, input_tokens=30_000)


@dataclass
class Plain:
    """The same rules by keeping everything that ever happened: what was written when, and what was taken when."""

    written: list[tuple[str, int, int]] = field(default_factory=list)
    taken: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: {"requests": [], "input": [], "output": []})

    def read(self, words: str, now_us: int) -> int:
        """The longest written beginning of `words` that lives; every writing and reading of it renewed its life."""
        longest = 0
        for entry in {entry for entry, _, _ in self.written}:
            if words.startswith(entry) and self._lives(entry, now_us):
                longest = max(longest, len(entry))
        return longest

    def _lives(self, entry: str, now_us: int) -> bool:
        readable, until = None, -1
        for held, at_us, ready_us in self.written:
            if held != entry:
                continue
            if at_us >= until:
                readable = ready_us
            elif readable is not None:
                readable = min(readable, ready_us)
            until = at_us + FIVE_MINUTES_US
        return readable is not None and readable <= now_us < until

    def level(self, what: str, limit: int, now_us: int) -> Fraction:
        level, before_us = Fraction(limit), 0
        for at_us, tokens in sorted(self.taken[what]):
            if at_us > now_us:
                break
            level = min(Fraction(limit), level + Fraction(limit * (at_us - before_us), MINUTE)) - tokens
            before_us = at_us
        return min(Fraction(limit), level + Fraction(limit * (now_us - before_us), MINUTE))


class CacheAndLimits(RuleBasedStateMachine):
    """Requests of growing prompts, at growing times, through the cache and the limits as the emulator puts them."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 0
        self.limits = RateLimits(Limits(requests=6, input_tokens=40, output_tokens=30))
        self.cache = PromptCache(make_profile(minimum_tokens=2).cache)
        self.plain = Plain()

    @rule(pause_us=st.sampled_from([0, 1, SECOND, 7 * SECOND, MINUTE, FIVE_MINUTES_US - 1, FIVE_MINUTES_US]))
    def wait(self, pause_us: int) -> None:
        self.now_us += pause_us

    @rule(words=st.text("ab", min_size=1, max_size=12), spoken=st.integers(1, 40), first_us=st.integers(0, 3 * SECOND))
    def ask(self, words: str, spoken: int, first_us: int) -> None:
        request, plain, now_us = prompt(words), self.plain, self.now_us
        read = self.cache.read(request, now_us, renew=False).read_tokens
        assert read == plain.read(words, now_us)
        fits = (
            plain.level("requests", 6, now_us) >= 1
            and plain.level("input", 40, now_us) >= len(words) - read
            and plain.level("output", 30, now_us) >= 1
        )
        assert (refused(self.limits, len(words) - read, now_us) is None) == fits
        if not fits:
            return
        assert self.cache.read(request, now_us).read_tokens == read
        if read:
            plain.written.append((words[:read], now_us, now_us))
        self.cache.write(request, now_us, now_us + first_us)
        if len(words) >= 2:
            plain.written.append((words, now_us, now_us + first_us))
        self.limits.produce("m", "w", spoken, now_us + first_us, now_us + first_us + 8 * spoken)
        plain.taken["requests"].append((now_us, 1))
        plain.taken["input"].append((now_us, len(words) - read))
        parts = min(8, spoken)
        for part in range(parts):
            tokens = spoken * (part + 1) // parts - spoken * part // parts
            plain.taken["output"].append((now_us + first_us + 8 * spoken * (part + 1) // parts, tokens))

    @rule()
    def look(self) -> None:
        standings = self.limits.standings("m", "w", self.now_us)
        for standing, (what, limit) in zip(standings, (("requests", 6), ("input", 40), ("output", 30)), strict=True):
            assert standing.remaining == max(0, self.plain.level(what, limit, self.now_us).__floor__())


def prompt(words: str) -> Request:
    prefix = Prefix("scope")
    for letter in words:
        prefix.append(Block("messages", 1, "text", "user", letter, 1))
    mark = Breakpoint(len(words) - 1, FIVE_MINUTES_US)
    return Request(Identity("call"), "m", prefix, len(words), (mark,), 100, False)


TestCacheAndLimits = CacheAndLimits.TestCase
TestCacheAndLimits.settings = settings(stateful_step_count=40)


def test_a_client_of_a_faster_clock_is_told_waits_and_dates_of_its_own() -> None:
    slow, fast = RateLimits(Limits(requests=1), 100.0), RateLimits(Limits(requests=1), 100.0, speed=20.0)
    for limits in (slow, fast):
        assert refused(limits, 1, 0) is None
    waits = [error.retry_after_s for error in (refused(slow, 1, 0), refused(fast, 1, 0)) if error is not None]
    assert waits == [60, 3]
    assert fast.standings("m", "w", 0).requests.full_in_us == 3 * SECOND
    assert [limits.unix_s(40 * SECOND) for limits in (slow, fast)] == [140.0, 102.0]
