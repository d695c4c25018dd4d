"""Recorded answers said again: which of them a request gets, and when its chunks come.

Several recordings of one question are used in the order in which they were made, and the last of them again and again.
A chunk comes when it came, or when the profile would have sent it: at the same boundaries, the first with the first
token and the last at the end, for as many tokens as the answer says that it took.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple, TypeAlias

from mockllm.core.draws import Draws
from mockllm.core.faults import Writes
from mockllm.core.identity import Identity
from mockllm.core.recording import Exchange
from mockllm.core.request import TokenCounter
from mockllm.core.timeline import Service

__all__ = ["Recording", "Replay", "Timing", "Tokens", "as_recorded", "by_question", "is_stream", "retimed", "tokens_of"]

Recording: TypeAlias = Mapping[str, Sequence[Exchange]]
"""Exchanges by what was asked (`mockllm.core.recording.asked`), in the order in which they were made."""

_COUNT = re.compile(rb'"(\w+_tokens)": ?(\d{1,9})\b')
_READ = ("cache_read_input_tokens", "cached_tokens")
# The prompt apart from what was read: Anthropic counts it by itself, OpenAI's count holds what was read too.
_APART = ("input_tokens", "cache_creation_input_tokens")


Timing: TypeAlias = Literal["recorded", "profile"]
"""Whose timing the chunks have: their own, or the profile's."""


class Tokens(NamedTuple):
    """Tokens of a prompt that were computed and that were read from a cache, and those of the answer."""

    uncached: int
    cached: int
    output: int


def by_question(exchanges: Iterable[Exchange]) -> Recording:
    """The exchanges of a file as a recording."""
    held: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        held.setdefault(exchange.asked, []).append(exchange)
    return held


class Replay:
    """A recording as one run says it; `timing` says when."""

    __slots__ = ("_said", "recording", "timing")

    def __init__(self, recording: Recording, timing: Timing = "recorded") -> None:
        self.recording = recording
        self.timing = timing
        self._said: dict[str, int] = {}

    def take(self, question: str) -> Exchange | None:
        """The next answer to `question`; None where it was never asked."""
        answers = self.recording.get(question)
        if answers is None:
            return None
        place = self._said.get(question, 0)
        self._said[question] = min(place + 1, len(answers) - 1)
        return answers[place]


def is_stream(exchange: Exchange) -> bool:
    """Whether the answer is one of server-sent events."""
    return dict(exchange.headers).get("content-type", "").startswith("text/event-stream")


def as_recorded(exchange: Exchange) -> Writes:
    """The answer as it came, from its headers, with which no byte has to come, to its end."""
    chunks = [(chunk.at_us, chunk.data) for chunk in exchange.chunks]
    return [(exchange.headers_us, b""), *chunks, (exchange.end_us, b"")]


def retimed(exchange: Exchange, service: Service, counter: TokenCounter, draws: Draws, identity: Identity) -> Writes:
    """The answer as the profile would send it to the request `identity`; each chunk with its share of the tokens."""
    tokens = tokens_of(exchange, counter)
    timeline = service.plan(draws, identity, tokens.uncached, tokens.cached, tokens.output)
    chunks = [chunk.data for chunk in exchange.chunks]
    if not is_stream(exchange):
        return [(timeline.end_us, data) for data in chunks] or [(timeline.end_us, b"")]
    flushes = service.flushes(timeline, draws, identity)
    reached = list(accumulate([flush.tokens for flush in flushes]))
    sent = list(accumulate(map(len, chunks)))
    writes: Writes = [(timeline.first_us, b"")]
    for data, so_far in zip(chunks, sent, strict=True):
        # The first chunk opens the answer, so what is said is counted from its end on.
        share = (so_far - sent[0]) / max(1, sent[-1] - sent[0])
        place = min(bisect_left(reached, share * tokens.output), len(flushes) - 1)
        writes.append((flushes[place].at_us, data))
    return [*writes, (timeline.end_us, b"")]


def tokens_of(exchange: Exchange, counter: TokenCounter) -> Tokens:
    """The tokens that the answer says that it took, in either provider's words; what it does not say is counted."""
    answer = b"".join([chunk.data for chunk in exchange.chunks])
    # A stream says some of them twice, and the last time in full.
    counts = {name.decode(): int(count) for name, count in _COUNT.findall(answer)}
    cached = max([counts.get(name, 0) for name in _READ])
    output = counts.get("output_tokens", counts.get("completion_tokens"))
    prompt = counts.get("prompt_tokens")
    if prompt is None and "cached_tokens" in counts:
        prompt = counts.get("input_tokens")
    if prompt is not None:
        uncached = max(0, prompt - cached)
    elif "input_tokens" in counts:
        uncached = sum([counts.get(name, 0) for name in _APART])
    else:
        uncached = counter.count(exchange.body.decode("utf-8", "replace"))
    return Tokens(uncached, cached, counter.count(answer.decode("utf-8", "replace")) if output is None else output)
