"""Prompt caching that asks for no markers, as OpenAI documents it (protocol page: OpenAI, caching).

Which of two rules a model follows is its profile's to say.

- `steps` (models before gpt-5.6): the longest beginning of `minimum + k * step` tokens that an earlier prompt began
  with too is read; nothing is paid for writing.
- `breakpoints` (from gpt-5.6 on): a prompt is written at a breakpoint that the service puts after the newest message of
  the client's, and at the latest of those that the request marks, `writes` in all; a read takes the longest of the
  latest `lookback` breakpoints that was written, and never a shorter beginning. What is written is counted.

Entries belong to one model, one workspace and one `prompt_cache_key`. One can be read from the instant at which the
first response that wrote it begins, up to but not at the end of its life, and every use renews it.

Assumed, since it is not documented: a life starts at admission; an entry lives as long as the longest life that was
asked for it; a read looks at the ends of all the client's messages, since the service put its breakpoints there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mockllm.core.prompt_cache import CacheUse
from mockllm.core.request import Automatic, TokenCounter, scope
from mockllm.core.token_steps import step_names

if TYPE_CHECKING:
    from mockllm.core.profile import AutomaticRule
    from mockllm.core.request import Request

__all__ = ["MOST_ENTRIES", "AutomaticCache", "Meeting"]

MOST_ENTRIES = 1 << 18
"""How many beginnings are remembered; the ones not used for longest go, of one prompt the longest first."""


class Meeting(NamedTuple):
    """What a prompt found: how it splits, and the beginnings that it keeps, each for `life_us`."""

    use: CacheUse
    kept: list[bytes]
    life_us: int


@dataclass(slots=True)
class _Entry:
    readable_us: int
    expires_us: int
    life_us: int


class AutomaticCache:
    """The cache of one run, under a clock that never goes back."""

    __slots__ = ("_counter", "_entries", "_life_us", "_lookback", "_minimum", "_most", "_step", "_writes")

    def __init__(self, rule: AutomaticRule, counter: TokenCounter, most_entries: int = MOST_ENTRIES) -> None:
        self._counter = counter
        self._minimum = max(1, round(rule.minimum_tokens.value))
        self._life_us = round(rule.life_s.value * 1e6)
        self._step = max(1, round(rule.step_tokens.value)) if rule.step_tokens is not None else 0
        self._writes = round(rule.writes.value) if rule.writes is not None else 0
        self._lookback = round(rule.lookback.value) if rule.lookback is not None else 0
        self._most = most_entries
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def meet(self, request: Request, now_us: int) -> Meeting:
        """What a prompt that is admitted at `now_us` would read and write. Nothing changes until it is kept."""
        asked = request.automatic or Automatic()
        if self._step:
            return self._meet_steps(request, asked, now_us)
        return self._meet_breakpoints(request, asked, now_us)

    def keep(self, meeting: Meeting, now_us: int, readable_us: int) -> None:
        """Keep, or renew, what the prompt of `meeting` wrote; its response begins at `readable_us`."""
        entries = self._entries
        for name in reversed(meeting.kept):
            held = entries.pop(name, None)
            if held is None or held.expires_us <= now_us:
                held = _Entry(readable_us, 0, meeting.life_us)
            else:
                held.readable_us = min(held.readable_us, readable_us)
                held.life_us = max(held.life_us, meeting.life_us)
            held.expires_us = now_us + held.life_us
            entries[name] = held  # last in order, so that the one not used for longest comes first
        while len(entries) > self._most:
            entries.popitem(last=False)

    def begin_warm(self, request: Request) -> None:
        """Have the tools and the system prompt of `request` kept at time 0, as if another run had just begun."""
        asked = request.automatic or Automatic()
        blocks = request.prefix.blocks[: request.size]
        fixed = next((at for at, block in enumerate(blocks) if block.level == "messages"), len(blocks))
        if self._step:
            tokens = request.prefix.totals[fixed]
            names = self._steps(request)[: max(0, (tokens - self._minimum) // self._step + 1)]
        else:
            names = [name for at, _, name in self._places(request, _breakpoints(asked)) if at < fixed]
        life_us = self._life_of(asked)
        for name in names:
            self._entries.setdefault(name, _Entry(0, life_us, life_us))

    def _meet_steps(self, request: Request, asked: Automatic, now_us: int) -> Meeting:
        total, names = request.total_tokens, self._steps(request)
        found = next((at for at in range(len(names) - 1, -1, -1) if self._lives(names[at], now_us)), None)
        read = 0 if found is None else self._minimum + found * self._step
        return Meeting(CacheUse(read, 0, 0, total - read), names, self._life_of(asked))

    def _meet_breakpoints(self, request: Request, asked: Automatic, now_us: int) -> Meeting:
        total = request.total_tokens
        looked = self._places(request, _breakpoints(asked)[-self._lookback :])
        read, hit = 0, None
        for _, tokens, name in reversed(looked):
            if self._lives(name, now_us):
                read, hit = tokens, name
                break
        newest = asked.ends[-1:] if asked.implicit else ()
        marked = asked.marks[-(self._writes - len(newest)) :] if self._writes > len(newest) else ()
        written = self._places(request, tuple(sorted({*marked, *newest})))
        upto = max([tokens for _, tokens, _ in written], default=0)
        kept = [name for _, _, name in written]
        kept = kept if hit is None or hit in kept else [hit, *kept]
        paid = max(0, upto - read)
        return Meeting(CacheUse(read, paid, 0, total - read - paid), kept, self._life_of(asked))

    def _steps(self, request: Request) -> list[bytes]:
        return step_names(request, _scope(request), self._minimum, self._step, self._counter)

    def _places(self, request: Request, blocks: tuple[int, ...]) -> list[tuple[int, int, bytes]]:
        """Of those blocks, which end a prefix that is long enough: number, tokens up to there, and name."""
        key = _scope(request).encode("utf-8", "surrogatepass")
        long = [(at, request.tokens_through(at)) for at in blocks if request.tokens_through(at) >= self._minimum]
        return [(at, tokens, key + request.hash_after(at)) for at, tokens in long]

    def _lives(self, name: bytes, now_us: int) -> bool:
        held = self._entries.get(name)
        return held is not None and held.readable_us <= now_us < held.expires_us

    def _life_of(self, asked: Automatic) -> int:
        wanted = asked.retention_us if self._step else asked.ttl_us
        return self._life_us if wanted is None else max(wanted, self._life_us)


def _scope(request: Request) -> str:
    return f"{scope(request.model, request.workspace)}\x1f{request.cache_key}"


def _breakpoints(asked: Automatic) -> tuple[int, ...]:
    """Where a breakpoint may have been put by this request or by the ones before it in the conversation."""
    return tuple(sorted({*asked.marks, *(asked.ends if asked.implicit else ())}))
