"""Rate limits as continuous token buckets: requests, input tokens and output tokens a minute (protocol: rate limiting).

A bucket fills all the time, by its limit a minute, and holds one minute's worth. Tokens read from the cache do not
count as input. Output counts as it is produced, whatever `max_tokens` would have allowed; a bucket that is in debt
refuses the next request. Everything is whole arithmetic, so that nothing drifts however long a server runs.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import ceil
from typing import NamedTuple

from mockllm import MockLLMError

__all__ = ["Bucket", "LimitError", "Limits", "RateLimitedError", "RateLimits", "Standing", "Standings", "limits_of"]

_MINUTE_US = 60_000_000
_PARTS_OF_AN_ANSWER = 8
_MOST_HOLDERS = 4096


class LimitError(MockLLMError):
    """Limits that cannot be read."""


class Standing(NamedTuple):
    """How a bucket stands: its limit a minute, what is left, and the microseconds until it is full again."""

    limit: int
    remaining: int
    full_in_us: int


class Standings(NamedTuple):
    """How the three buckets of one holder stand."""

    requests: Standing
    input_tokens: Standing
    output_tokens: Standing


class RateLimitedError(MockLLMError):
    """A request beyond a limit: `limit` a minute of `what`, and the whole seconds after which it would pass."""

    def __init__(self, limit: int, what: str, retry_after_s: int) -> None:
        super().__init__(f"rate limit of {limit:,} {what} per minute; passes in {retry_after_s} s")
        self.limit = limit
        self.what = what
        self.retry_after_s = retry_after_s


class Bucket:
    """One limit. It counts in parts of a token of which `_MINUTE_US` make one, so that a microsecond adds `limit`."""

    __slots__ = ("_at_us", "_level", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._level = limit * _MINUTE_US
        self._at_us = 0

    def take(self, tokens: int, now_us: int) -> None:
        """Take `tokens`, into debt where there are not so many."""
        self._fill(now_us)
        self._level -= tokens * _MINUTE_US

    def wait_us(self, tokens: int, now_us: int) -> int:
        """Microseconds until `tokens` are there, 0 where they are. More than the limit are never there: until full."""
        self._fill(now_us)
        missing = min(tokens, self.limit) * _MINUTE_US - self._level
        return -(-missing // self.limit) if missing > 0 else 0

    def fits(self, tokens: int, now_us: int) -> bool:
        """Whether `tokens` are there."""
        self._fill(now_us)
        return tokens * _MINUTE_US <= self._level

    def standing(self, now_us: int) -> Standing:
        """How it stands now; nothing is left of a debt."""
        self._fill(now_us)
        missing = self.limit * _MINUTE_US - self._level
        return Standing(self.limit, max(0, self._level) // _MINUTE_US, -(-missing // self.limit))

    def _fill(self, now_us: int) -> None:
        if now_us > self._at_us:
            self._level = min(self.limit * _MINUTE_US, self._level + self.limit * (now_us - self._at_us))
            self._at_us = now_us


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits a minute. Those that nobody set are far beyond what one machine can ask for."""

    requests: int = 10_000_000
    input_tokens: int = 1_000_000_000_000
    output_tokens: int = 1_000_000_000_000


def limits_of(words: list[str]) -> Limits:
    """The limits that a command line writes as `WHAT=NUMBER`. Raises `LimitError`."""
    given: dict[str, int] = {}
    for word in words:
        what, _, number = word.partition("=")
        name = what.replace("-", "_")
        plain = number.replace("_", "").replace(",", "")
        if name not in Limits.__dataclass_fields__ or not plain.isdecimal() or not 0 < int(plain) <= 10**15:
            raise LimitError(
                f"--limit {word}: write requests=NUMBER, input-tokens=NUMBER or output-tokens=NUMBER, each a minute"
            )
        given[name] = int(plain)
    return Limits(**given)


@dataclass(slots=True)
class _Holder:
    """The buckets of one holder, and the output that is still to be produced: when, and how much."""

    requests: Bucket
    input_tokens: Bucket
    output_tokens: Bucket
    coming: list[tuple[int, int]] = field(default_factory=list)

    def produce_until(self, now_us: int) -> None:
        while self.coming and self.coming[0][0] <= now_us:
            at_us, tokens = heappop(self.coming)
            self.output_tokens.take(tokens, at_us)


class RateLimits:
    """The buckets of a run, for each model and workspace its own (of the last 4,096 that asked).

    `epoch_s` is when the run began, in seconds of Unix time, and `speed` by how much its clock is faster than those of
    its clients, who are told dates and waits of their own. `are_set` says that somebody set a limit: where nobody did,
    nothing can be refused and nothing is counted: such buckets, which fill in microseconds, are told as full.
    """

    __slots__ = ("_epoch_s", "_full", "_holders", "_limits", "_speed", "are_set")

    def __init__(self, limits: Limits, epoch_s: float = 0.0, speed: float = 1.0) -> None:
        self.are_set = limits != Limits()
        self._epoch_s = epoch_s
        self._speed = speed
        self._full = Standings(
            Standing(limits.requests, limits.requests, 0),
            Standing(limits.input_tokens, limits.input_tokens, 0),
            Standing(limits.output_tokens, limits.output_tokens, 0),
        )
        self._limits = limits
        self._holders: OrderedDict[tuple[str, str], _Holder] = OrderedDict()

    def admit(self, model: str, workspace: str, input_tokens: int, now_us: int) -> None:
        """Count a request of `input_tokens` that are not read from the cache; raises `RateLimitedError`, and counts
        nothing, where it does not fit."""
        holder = self._holder(model, workspace, now_us)
        for bucket, tokens, what in (
            (holder.requests, 1, "requests"),
            (holder.input_tokens, input_tokens, "input tokens"),
            (holder.output_tokens, 1, "output tokens"),
        ):
            if not bucket.fits(tokens, now_us):
                wait_us = bucket.wait_us(tokens, now_us)
                raise RateLimitedError(bucket.limit, what, max(1, ceil(wait_us / 1e6 / self._speed)))
        holder.requests.take(1, now_us)
        holder.input_tokens.take(input_tokens, now_us)

    def produce(self, model: str, workspace: str, tokens: int, first_us: int, end_us: int) -> None:
        """Count an answer of `tokens` that is said from `first_us` to `end_us`, an eighth at a time as it is said."""
        holder = self._holders.get((model, workspace))
        if holder is None:
            return
        parts = min(_PARTS_OF_AN_ANSWER, tokens)
        for part in range(parts):
            share = tokens * (part + 1) // parts - tokens * part // parts
            at_us = first_us + (end_us - first_us) * (part + 1) // parts
            heappush(holder.coming, (at_us, share))

    def unix_s(self, now_us: int) -> float:
        """What a client's clock says now, in seconds of Unix time."""
        return self._epoch_s + now_us / 1e6 / self._speed

    def standings(self, model: str, workspace: str, now_us: int) -> Standings:
        """How the buckets of one holder stand now."""
        if not self.are_set:
            return self._full
        holder = self._holder(model, workspace, now_us)
        buckets = holder.requests, holder.input_tokens, holder.output_tokens
        standings = Standings(*[bucket.standing(now_us) for bucket in buckets])
        if self._speed == 1.0:
            return standings
        return Standings(*[one._replace(full_in_us=ceil(one.full_in_us / self._speed)) for one in standings])

    def _holder(self, model: str, workspace: str, now_us: int) -> _Holder:
        key = model, workspace
        holder = self._holders.pop(key, None)
        if holder is None:
            limits = self._limits
            holder = _Holder(Bucket(limits.requests), Bucket(limits.input_tokens), Bucket(limits.output_tokens))
        self._holders[key] = holder  # last in order, so that the one not seen for longest comes first
        if len(self._holders) > _MOST_HOLDERS:
            self._holders.popitem(last=False)
        holder.produce_until(now_us)
        return holder
