"""A request as a test reads it: what was asked, what became of it, when, and what it cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mockllm.core.profile import Price
from mockllm.core.usage import Usage, cost_nusd
from mockllm.server.request_log import Entry

__all__ = ["RecordedRequest", "record"]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request for an answer, a client's retries among them.

    Times are in seconds of the mock's clock: `arrived_s` since its run began, the others from that arrival on. `ttft_s`
    is when the first token of a stream was sent, and without streaming when the answer was; `planned_…` is what the
    profile said. What has not come about is None, and `status` 0 while the answer is under way. `call` is the request's
    call path, or a hash of its content; `attempt` counts the requests of that name from 0.
    """

    endpoint: str
    call: str
    attempt: int
    model: str
    stream: bool
    body: Any
    status: int
    fault: str | None
    error: str | None
    usage: Usage | None
    cost_usd: float
    arrived_s: float
    ttft_s: float | None
    total_s: float | None
    planned_ttft_s: float | None
    planned_total_s: float | None


def record(entry: Entry, prices: tuple[Price, ...]) -> RecordedRequest:
    """The log's `entry` as it is now, at `prices`."""
    identity, usage = entry.identity, entry.usage
    first_us, due_us = entry.first_us, entry.due_first_us if entry.stream else entry.due_end_us
    if first_us is not None and due_us is not None:
        first_us = max(first_us, due_us)  # the headers of a stream may come before its first token

    def since_arrival(at_us: int | None) -> float | None:
        return None if at_us is None else (at_us - entry.arrived_us) / 1e6

    return RecordedRequest(
        endpoint=entry.endpoint,
        call=identity.path if identity is not None else "",
        attempt=identity.attempt if identity is not None else 0,
        model=entry.model,
        stream=entry.stream,
        body=_plain(entry.body),
        status=entry.status,
        fault=entry.fault,
        error=entry.error,
        usage=usage,
        cost_usd=cost_nusd(usage, prices) / 1e9 if usage is not None else 0.0,
        arrived_s=entry.arrived_us / 1e6,
        ttft_s=since_arrival(first_us),
        total_s=since_arrival(entry.end_us),
        planned_ttft_s=since_arrival(due_us),
        planned_total_s=since_arrival(entry.due_end_us),
    )


def _plain(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
