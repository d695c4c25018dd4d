"""What is sent to the mock and to both references, the same bytes to each, and what is read off the answers."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bench.server.canned import FIRST_S, GAP_S
from bench.server.load import NUMBER, Plan

__all__ = ["AIOHTTP", "ASYNCIO", "MOCK", "QUICK", "STREAMED", "WHOLE", "Size", "Workload", "message", "workloads"]

MOCK, AIOHTTP, ASYNCIO = "mock", "bare aiohttp", "bare asyncio"
STREAMED = "bench/stream"  # the call path for which the mock is told what to say
_MESSAGE_TOKENS = 16


class Size(NamedTuple):
    """How much of everything one round does, and how many rounds there are."""

    rounds: int
    requests: int
    connections: int
    tokens: int
    bursts: int
    firsts: int
    at_once: int
    kept_requests: int


WHOLE = Size(5, 12_000, 64, 256, 10, 8, 100, 100_000)
QUICK = Size(1, 200, 8, 20, 2, 2, 5, 500)


class Workload(NamedTuple):
    """`plan.path` is the references' own; the mock, under `profile`, has one path for all. `figures` by their names."""

    plan: Plan
    profile: str
    figures: Callable[[Mapping[str, Any]], dict[str, float]]

    def plan_for(self, name: str, urls: Mapping[str, str]) -> Plan:
        """The plan with the server `name` as its target; `urls` holds the mock's by profile."""
        if name == MOCK:
            return self.plan._replace(url=urls[self.profile], path="/v1/messages")
        return self.plan._replace(url=urls[name])


def message(path: str, connections: int, exchanges: int) -> Plan:
    """Small requests without streaming; each is another prompt, and asks for automatic caching."""
    return _plan(path, connections, exchanges, _MESSAGE_TOKENS, stream=False)


def workloads(size: Size) -> list[Workload]:
    """What one round sends, in order."""
    bursts, tokens = size.bursts, size.tokens
    return [
        Workload(message("/message", size.connections, size.requests), "instant", _requests),
        Workload(_stream("/at-once", 32, 32 * bursts, tokens), "instant", _events("one write")),
        Workload(_stream("/each", 32, 32 * bursts, tokens), "a-microsecond-apart", _events("a write each")),
        Workload(_stream(f"/paced/{8}", 1, size.firsts, 8), "flat", _first("1 stream")),
        Workload(_stream(f"/paced/{tokens}", 1, 1, tokens), "flat", _gap("1 stream")),
        Workload(_stream(f"/paced/{tokens}", size.at_once, size.at_once, tokens), "flat", _paced(size.at_once)),
    ]


def _stream(path: str, connections: int, exchanges: int, tokens: int) -> Plan:
    return _plan(path, connections, exchanges, tokens, stream=True)


def _plan(path: str, connections: int, exchanges: int, tokens: int, *, stream: bool) -> Plan:
    asked = {
        "model": "flat-200ms-10ms",
        "max_tokens": tokens,
        "stream": stream,
        "cache_control": {"type": "ephemeral"},
        "messages": [{"role": "user", "content": f"Is it late? (question {NUMBER})"}],
    }
    headers = {"x-api-key": "key", "anthropic-version": "2023-06-01"} | ({"x-mockllm-call": STREAMED} if stream else {})
    return Plan("", path, headers, json.dumps(asked), connections, exchanges, "/paced" in path)


def _requests(found: Mapping[str, Any]) -> dict[str, float]:
    return {"requests/s": found["answers"] / found["taken_s"]}


def _events(framing: str) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    return lambda found: {f"events/s, {framing}": found["events"] / found["taken_s"]}


def _first(when: str) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    return lambda found: {
        f"TTFT error, {when}": statistics.median([first_s - FIRST_S for first_s, _ in found["took"]]) * 1e3
    }


def _gap(when: str) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    def figure(found: Mapping[str, Any]) -> dict[str, float]:
        gaps = [(tokens[-1] - tokens[0]) / (len(tokens) - 1) for _, tokens in found["took"]]
        return {f"gap error, {when}": (statistics.fmean(gaps) / GAP_S - 1) * 100}

    return figure


def _paced(streams: int) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    first, gap = _first(f"{streams} streams"), _gap(f"{streams} streams")
    return lambda found: first(found) | gap(found)
