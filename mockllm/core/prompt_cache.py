"""Prompt caching by breakpoints, as the Anthropic API documents it (protocol page: prompt caching).

Entries are written at breakpoints only, one each, and named by the hash of everything up to their block. A
read starts at the last breakpoint and walks back block by block, at most `lookback_blocks` positions counting
the breakpoint itself, then does the same from the next earlier breakpoint; so the longest prefix wins. A
prefix below the minimum is never kept. An entry can be read from the instant at which the first response that
wrote it begins, up to but not at the instant at which its life has passed.

Three points are assumed, since the documentation does not settle them: a life starts at admission; an entry
written for an hour also serves a five-minute marker; marking a living entry again renews it, for the longer
of the two lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mockllm.core.distributions import Exponential, microseconds
from mockllm.core.request import ONE_HOUR_US

if TYPE_CHECKING:
    from mockllm.core.draws import Draws
    from mockllm.core.identity import Identity
    from mockllm.core.profile import CacheRule
    from mockllm.core.request import Request

__all__ = ["CacheUse", "PromptCache"]

_FIRST_SWEEP = 4096


class CacheUse(NamedTuple):
    """How a prompt splits: tokens read from the cache, written for 5 minutes and for 1 hour, and neither."""

    read_tokens: int
    write_5m_tokens: int
    write_1h_tokens: int
    input_tokens: int


@dataclass(slots=True)
class _Entry:
    readable_us: int
    expires_us: int
    ttl_us: int
    evicted_us: int | None = None

    def live_until(self, now_us: int) -> None:
        """Renew the entry's life as of now; nothing keeps it beyond its eviction."""
        until_us = now_us + self.ttl_us
        self.expires_us = until_us if self.evicted_us is None else min(until_us, self.evicted_us)


class PromptCache:
    """The cache of one run, under a clock that never goes back.

    Scopes never meet, since a prefix's hash begins with its own. `draws` are the luck of entries that are evicted, by
    what they hold and who wrote them.
    """

    __slots__ = ("_draws", "_entries", "_eviction", "_lookback", "_minimum", "_sweep_at")

    def __init__(self, rule: CacheRule, draws: Draws | None = None) -> None:
        self._draws = draws
        self._eviction = Exponential(rule.eviction_mean_s.value) if rule.eviction_mean_s is not None else None
        self._minimum = round(rule.minimum_tokens.value)
        self._lookback = round(rule.lookback_blocks.value)
        self._entries: dict[bytes, _Entry] = {}
        self._sweep_at = _FIRST_SWEEP

    def read(self, request: Request, now_us: int, *, renew: bool = True) -> CacheUse:
        """What a prompt admitted at `now_us` reads and pays to write; the entry it reads is renewed, free.

        Who only wants to know, and does not `renew`, leaves the cache as it is.

        With A tokens at the longest hit, B at the last one-hour breakpoint after it (else A) and C at the
        last breakpoint: A is read, B - A written for an hour, C - B for five minutes; the rest is input.
        """
        total = request.total_tokens
        if total < self._minimum or not request.breakpoints:
            return CacheUse(0, 0, 0, total)  # nothing is cached, and nothing needs to be hashed
        read = written = self._longest_hit(request, now_us, renew)
        written_1h = read
        for mark in reversed(request.breakpoints):
            through = request.tokens_through(mark.index)
            if through <= read or through < self._minimum:
                break
            written = max(written, through)
            if mark.ttl_us == ONE_HOUR_US:
                written_1h = through
                break
        return CacheUse(read, written - written_1h, written_1h - read, total - written)

    def write(self, request: Request, now_us: int, readable_us: int) -> None:
        """Keep the breakpoints of a prompt admitted at `now_us`, whose response begins at `readable_us`.

        An entry that lives already stays readable from the earlier instant.
        """
        if request.total_tokens < self._minimum:
            return
        entries = self._entries
        for mark in request.breakpoints:
            if request.tokens_through(mark.index) < self._minimum:
                continue
            name = request.hash_after(mark.index)
            held = entries.get(name)
            if held is None or held.expires_us <= now_us:
                held = entries[name] = _Entry(readable_us, 0, mark.ttl_us)
                if self._eviction is not None:
                    held.evicted_us = now_us + self._lasts_us(name, request.identity)
            else:
                held.readable_us = min(held.readable_us, readable_us)
                held.ttl_us = max(held.ttl_us, mark.ttl_us)
            held.live_until(now_us)
        if len(entries) >= self._sweep_at:
            self._entries = {name: held for name, held in entries.items() if now_us < held.expires_us}
            self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._entries))

    def _lasts_us(self, name: bytes, writer: Identity) -> int:
        """How long other tenants leave the entry `name` of `writer` alone."""
        assert self._eviction is not None
        assert self._draws is not None
        luck = self._draws.uniforms(f"eviction {name.hex()}", writer.path, writer.attempt)[0]
        return microseconds(self._eviction.quantile(luck))

    def _longest_hit(self, request: Request, now_us: int, renew: bool) -> int:
        """Tokens of the longest readable entry within reach of a breakpoint, which is renewed on demand; else 0."""
        entries, hashes = self._entries, request.prefix.hashes
        walked = request.size  # the earliest block that was looked at from a later breakpoint
        for mark in reversed(request.breakpoints):
            last = min(mark.index, walked - 1)
            walked = max(mark.index - self._lookback + 1, 0)
            for index in range(last, walked - 1, -1):
                held = entries.get(hashes[index + 1])
                if held is not None and held.readable_us <= now_us < held.expires_us:
                    if renew:
                        held.live_until(now_us)
                    return request.tokens_through(index)
        return 0
