"""Counters of a server for Prometheus: requests, tokens, faults, and how late the server itself was."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mockllm.server.request_log import Entry

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATE_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0)
_TTFT_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


class Metrics:
    """One registry a server, so that several in one process do not meet."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.active = Gauge("mockllm_requests_active", "Requests that are being answered.", registry=registry)
        self._requests = Counter(
            "mockllm_requests",
            "Requests that ended, by endpoint and status.",
            ["endpoint", "status"],
            registry=registry,
        )
        self._faults = Counter("mockllm_faults", "Planned failures, by kind.", ["kind"], registry=registry)
        self._tokens = Counter("mockllm_tokens", "Tokens of answers, by kind.", ["kind"], registry=registry)
        self._ttft = Histogram(
            "mockllm_planned_ttft_seconds",
            "Time from admission to the first token, as planned.",
            buckets=_TTFT_S,
            registry=registry,
        )
        self._late = Histogram(
            "mockllm_lateness_seconds",
            "How much later than planned the first byte was sent.",
            buckets=_LATE_S,
            registry=registry,
        )

    def count(self, entry: Entry) -> None:
        """Take an ended request into account."""
        self._requests.labels(entry.endpoint, str(entry.status)).inc()
        if entry.fault is not None:
            self._faults.labels(entry.fault).inc()
        if entry.plan is None:
            return
        usage = entry.plan.usage
        for kind, tokens in zip(
            ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"), usage, strict=True
        ):
            if tokens:
                self._tokens.labels(kind).inc(tokens)
        self._ttft.observe(entry.plan.timeline.first_us / 1e6)
        late_us = entry.first_late_us
        if late_us is not None:
            self._late.observe(max(0, late_us) / 1e6)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)
