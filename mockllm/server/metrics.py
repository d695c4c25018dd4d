"""Counters of a server for Prometheus: requests, tokens, faults, and how late the server itself was.

They are plain numbers, and put into Prometheus's form when somebody looks: its own counters take a lock for each step.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mockllm.server.request_log import Entry

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATE_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0)
_TTFT_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_TOGETHER = 256
_KINDS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


class _Spread:
    """How many values lie up to each of `bounds` and above all of them, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, told: str) -> Metric:
        bounds = [*map(str, self._bounds), "+Inf"]
        reached = accumulate(self._counts)
        return HistogramMetricFamily(name, told, list(zip(bounds, reached, strict=True)), self._sum)


class Metrics(Collector):
    """One registry a server, so that several in one process do not meet. `active` requests are being answered."""

    def __init__(self) -> None:
        self.active = 0
        self._ended: list[Entry] = []
        self._requests: Counter[tuple[str, int]] = Counter()
        self._faults: Counter[str] = Counter()
        self._tokens = [0] * len(_KINDS)
        self._ttft = _Spread(_TTFT_S)
        self._late = _Spread(_LATE_S)
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def count(self, entry: Entry) -> None:
        """Take an ended request into account, sooner or later: many at once cost half as much."""
        self._ended.append(entry)
        if len(self._ended) >= _TOGETHER:
            self._reckon()

    def _reckon(self) -> None:
        ended, self._ended = self._ended, []
        for entry in ended:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        self._requests[entry.endpoint, entry.status] += 1
        if entry.fault is not None:
            self._faults[entry.fault] += 1
        if entry.usage is None:
            return
        tokens = self._tokens
        for kind, number in enumerate(entry.usage):
            tokens[kind] += number
        if entry.due_first_us is not None and entry.admitted_us is not None:
            self._ttft.add((entry.due_first_us - entry.admitted_us) / 1e6)
        late_us = entry.first_late_us
        if late_us is not None:
            self._late.add(max(0, late_us) / 1e6)

    def collect(self) -> Iterator[Metric]:
        """Everything as Prometheus's families."""
        self._reckon()
        yield GaugeMetricFamily("mockllm_requests_active", "Requests that are being answered.", self.active)
        requests = CounterMetricFamily(
            "mockllm_requests", "Requests that ended, by endpoint and status.", labels=["endpoint", "status"]
        )
        for (endpoint, status), number in self._requests.items():
            requests.add_metric([endpoint, str(status)], number)
        yield requests
        yield _by_kind("mockllm_faults", "Planned failures, by kind.", self._faults)
        tokens = {kind: number for kind, number in zip(_KINDS, self._tokens, strict=True) if number}
        yield _by_kind("mockllm_tokens", "Tokens of answers, by kind.", tokens)
        yield self._ttft.family("mockllm_planned_ttft_seconds", "Time from admission to the first token, as planned.")
        yield self._late.family("mockllm_lateness_seconds", "How much later than planned the first byte was sent.")

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


def _by_kind(name: str, told: str, numbers: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, told, labels=["kind"])
    for kind, number in numbers.items():
        family.add_metric([kind], number)
    return family
