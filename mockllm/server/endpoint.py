"""What an endpoint is, whichever protocol it belongs to, and how whatever is asked of one is logged and counted."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import web

from mockllm.core.identity import Identity
from mockllm.core.limits import Standings
from mockllm.core.request import Request
from mockllm.core.timeline import Flush
from mockllm.emulator.admission import Answer
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.server.arrivals import Arrivals
from mockllm.server.delivery import Deliveries
from mockllm.server.metrics import Metrics
from mockllm.server.request_log import Entry
from mockllm.server.runs import Run
from mockllm.server.set_up import SetUp

__all__ = ["Asked", "Endpoint", "Service", "logged"]

_CLIENT_WENT_AWAY = 499


class Asked(NamedTuple):
    """A request as its protocol read it, and how that protocol writes the answer: as one body, or as events.

    `headers` are those that follow from the plan.
    """

    request: Request
    whole: Callable[[Answer], dict[str, Any]]
    events: Callable[[Answer, list[Flush]], Iterable[tuple[int, bytes]]]
    headers: Callable[[Answer], dict[str, str]] = lambda _: {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What tells one protocol's endpoint from another's.

    `read` raises `ApiError`; `headers` are those of every answer; `failed` is the event by which a stream that is under
    way says that it failed; `standing` are the headers that tell how far the rate limits are used, at a Unix time,
    `workspace` says whose limits those are, and `refused` is an error with the status that this protocol has for it.
    """

    name: str
    read: Callable[[Run, Mapping[str, str], bytes], Asked]
    headers: Callable[[Identity], dict[str, str]]
    failed: Callable[[ApiError], bytes]
    standing: Callable[[Standings, float], Mapping[str, str]]
    workspace: Callable[[Run, Mapping[str, str]], str]
    refused: Callable[[ApiError], ApiError] = lambda error: error


@dataclass(frozen=True, slots=True)
class Service:
    """What all runs of a server share. Without `set_up`, connections cost nothing here (the client pays for them).

    `observe` is told of every request that has ended.
    """

    arrivals: Arrivals
    deliveries: Deliveries
    metrics: Metrics
    set_up: SetUp | None
    observe: Callable[[Run, Entry], None] | None = None


@contextmanager
def logged(http: web.Request, run: Run, endpoint: str, service: Service, raw: bytes) -> Iterator[Entry]:
    """The entry in the log of the request `http`, whose body is `raw`, and its place among the metrics.

    Whoever answers it says with which status; that of a refusal, and of a client that went away, is known.
    """
    entry = run.log.open(endpoint, service.arrivals.of(http, run.emulator.clock), raw)
    service.metrics.active += 1
    try:
        yield entry
    except ApiError as error:
        entry.status, entry.error = error.status, error.message
        raise
    except CancelledError:
        entry.status, entry.error = _CLIENT_WENT_AWAY, "the client went away"
        raise
    finally:
        service.metrics.active -= 1
        service.metrics.count(entry)
        if service.observe is not None:
            service.observe(run, entry)
