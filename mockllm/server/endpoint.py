"""What an endpoint is, whichever protocol it belongs to, and how whatever is asked of one is logged and counted."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

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

__all__ = ["Asked", "Endpoint", "Logged", "Service"]

_CLIENT_WENT_AWAY = 499


class Asked(Protocol):
    """A request as its protocol read it, and how that protocol writes the answer."""

    @property
    def request(self) -> Request: ...

    def headers(self, answer: Answer) -> dict[str, str]:
        """The headers that follow from the plan."""
        ...

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The answer as the JSON of one body."""
        ...

    def events(self, answer: Answer, flushes: list[Flush]) -> Iterable[tuple[int, bytes]]:
        """The answer as events, whose instants are microseconds from its admission."""
        ...


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


class Logged:
    """The entry in the log of the request `http`, whose body is `raw`, and its place among the metrics, for as long as
    it is answered.

    Whoever answers it says with which status; that of a refusal, and of a client that went away, is known.
    """

    __slots__ = ("_entry", "_run", "_service")

    def __init__(self, http: web.Request, run: Run, endpoint: str, service: Service, raw: bytes) -> None:
        self._entry = run.log.open(endpoint, service.arrivals.of(http, run.emulator.clock), raw)
        self._run = run
        self._service = service

    def __enter__(self) -> Entry:
        self._service.metrics.active += 1
        return self._entry

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        entry, service = self._entry, self._service
        if isinstance(error, ApiError):
            entry.status, entry.error = error.status, error.message
        elif isinstance(error, CancelledError):
            entry.status, entry.error = _CLIENT_WENT_AWAY, "the client went away"
        service.metrics.active -= 1
        service.metrics.count(entry)
        if service.observe is not None:
            service.observe(self._run, entry)
