"""The way of a prompt through the server, whichever protocol it came by: read, set up, fail on purpose, admit, send."""

from __future__ import annotations

import json
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from aiohttp import web

from mockllm.core.faults import REFUSALS, FaultRule, Spoiled, pick_fault, spoil, spoil_whole
from mockllm.core.identity import Identity
from mockllm.core.limits import RateLimitedError, Standings
from mockllm.core.request import Request
from mockllm.core.timeline import Flush
from mockllm.emulator.admission import Answer
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.limit_headers import too_many
from mockllm.server.arrivals import Arrivals
from mockllm.server.delivery import Deliveries, StoppingError, send
from mockllm.server.expecting import take_expected, told
from mockllm.server.metrics import Metrics
from mockllm.server.request_log import Entry
from mockllm.server.runs import Run
from mockllm.server.set_up import SetUp

__all__ = ["Asked", "Endpoint", "Service", "logged", "serve_prompt"]

_compact = json.JSONEncoder(separators=(",", ":")).encode
_CLIENT_WENT_AWAY = 499
_FAULT_MESSAGES = {
    "rate_limit": "This request would exceed your organization's rate limit (a planned fault of the mock)",
    "server_error": "Internal server error",
    "timeout": "Request timed out",
    "overloaded": "Overloaded",
}
_STOPPING = ApiError(529, "Overloaded: the server is shutting down")


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
    way says that it failed; `standing` are the headers that tell how far the rate limits are used, at a Unix time, and
    `refused` is an error with the status that this protocol has for it.
    """

    name: str
    read: Callable[[Run, Mapping[str, str], bytes], Asked]
    headers: Callable[[Identity], dict[str, str]]
    failed: Callable[[ApiError], bytes]
    standing: Callable[[Standings, float], dict[str, str]]
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


_Sent: TypeAlias = web.StreamResponse


async def serve_prompt(http: web.Request, run: Run, endpoint: Endpoint, service: Service) -> _Sent:
    """Answer one request. Raises `ApiError` for a refusal, which the caller writes in the protocol's form."""

    async def answer(raw: bytes, entry: Entry) -> _Sent:
        try:
            return await _answer(http, raw, run, endpoint, service, entry)
        except ApiError as error:
            raise endpoint.refused(error) from None

    return await logged(http, run, endpoint.name, service, answer)


async def logged(
    http: web.Request, run: Run, endpoint: str, service: Service, answer: Callable[[bytes, Entry], Awaitable[_Sent]]
) -> _Sent:
    """What `answer` makes of the body of `http`, with its entry in the log and its place among the metrics."""
    raw = await http.read()
    entry = run.log.open(endpoint, service.arrivals.of(http, run.emulator.clock), raw)
    service.metrics.active += 1
    try:
        response = await answer(raw, entry)
    except ApiError as error:
        entry.status, entry.error = error.status, error.message
        raise
    except CancelledError:
        entry.status, entry.error = _CLIENT_WENT_AWAY, "the client went away"
        raise
    else:
        entry.status = response.status
        return response
    finally:
        service.metrics.active -= 1
        service.metrics.count(entry)
        if service.observe is not None:
            service.observe(run, entry)


async def _answer(http: web.Request, raw: bytes, run: Run, endpoint: Endpoint, service: Service, entry: Entry) -> _Sent:
    emulator = run.emulator
    asked = endpoint.read(run, http.headers, raw)
    request = asked.request
    entry.identity, entry.model, entry.stream = request.identity, request.model, request.stream
    since_us = entry.arrived_us
    if service.set_up is not None:
        ready_us = service.set_up.due_us(http, emulator, request.identity, since_us)
        if ready_us is not None:
            await _until(service, run, ready_us)
            since_us = ready_us
    rule = pick_fault(run.faults, emulator.draws, request.identity) if run.faults else None
    await _befall(rule, request, run, service, entry)
    try:
        await emulator.pass_limits(request)
    except RateLimitedError as error:
        raise too_many(error, request.model, _standing(endpoint, request, run)) from None
    # What was registered is taken by requests that get an answer, so that a retry finds what is left.
    expected = await take_expected(request, run) if run.expectations else None
    if expected is not None and expected.error is not None:
        raise told(expected.error)
    if expected is not None and expected.fault is not None:
        rule = expected.fault
        await _befall(rule, request, run, service, entry)
    # The plan counts from the arrival: what the server took to read the request is no part of what it emulates.
    taken_us = emulator.clock.now_us() - since_us
    answer = await emulator.admit(request, expected.script() if expected is not None else None)
    answer = answer._replace(admitted_us=answer.admitted_us - taken_us)
    if expected is not None and expected.stop_reason is not None:
        answer = answer._replace(reply=answer.reply._replace(stop_reason=expected.stop_reason, stop_sequence=None))
    entry.plan = answer
    headers = endpoint.headers(request.identity) | _standing(endpoint, request, run) | asked.headers(answer)
    if rule is None and not request.stream:
        return await _whole(asked, answer, run, service, entry, headers)
    return await _in_parts(http, asked, answer, rule, run, endpoint, service, entry, headers)


def _standing(endpoint: Endpoint, request: Request, run: Run) -> dict[str, str]:
    """The headers that tell the client where it stands with its limits, if it has any."""
    emulator, limits = run.emulator, run.emulator.limits
    if limits is None:
        return {}
    now_us = emulator.clock.now_us()
    standings = limits.standings(request.model, request.workspace, now_us)
    return endpoint.standing(standings, limits.epoch_s + now_us / 1e6)


async def _befall(rule: FaultRule | None, request: Request, run: Run, service: Service, entry: Entry) -> None:
    if rule is not None:
        entry.fault = rule.kind
        if rule.kind in REFUSALS or (rule.kind == "error_event" and not request.stream):
            await _refuse(rule, run, service)


async def _refuse(rule: FaultRule, run: Run, service: Service) -> None:
    clock = run.emulator.clock
    await _until(service, run, clock.now_us() + rule.wait_us)
    status = REFUSALS.get(rule.kind, 500)
    retry = {"retry-after": str(1 if rule.retry_after_s is None else rule.retry_after_s)} if status == 429 else {}
    raise ApiError(status, _FAULT_MESSAGES.get(rule.kind, _FAULT_MESSAGES["server_error"]), retry)


async def _until(service: Service, run: Run, at_us: int) -> None:
    try:
        await service.deliveries.until(run.emulator.clock, at_us)
    except StoppingError:
        raise _STOPPING from None


async def _whole(
    asked: Asked, answer: Answer, run: Run, service: Service, entry: Entry, headers: dict[str, str]
) -> web.Response:
    body = _encoded(asked.whole(answer))
    await _until(service, run, answer.end_us)
    entry.first_us = entry.end_us = run.emulator.clock.now_us()
    return web.Response(body=body, headers=headers, content_type="application/json")


async def _in_parts(
    http: web.Request,
    asked: Asked,
    answer: Answer,
    rule: FaultRule | None,
    run: Run,
    endpoint: Endpoint,
    service: Service,
    entry: Entry,
    headers: dict[str, str],
) -> _Sent:
    """A stream, or a whole answer that a fault takes apart."""
    emulator, timeline = run.emulator, answer.timeline
    response = web.StreamResponse(headers=headers)
    last_words, headers_us = b"", None
    if asked.request.stream:
        spoiled = Spoiled(asked.events(answer, emulator.flushes(answer)))
        last_words = endpoint.failed(_STOPPING)
        if emulator.service.headers_lead_us and (rule is None or rule.kind != "slow_start"):
            headers_us = emulator.service.headers_us(timeline)
        if rule is not None:
            spoiled = spoil(rule, list(spoiled.writes), endpoint.failed(ApiError(529, "Overloaded")))
        response.content_type, response.charset = "text/event-stream", "utf-8"
        response.headers["cache-control"] = "no-cache"
        response.enable_chunked_encoding()
    else:
        assert rule is not None
        body = _encoded(asked.whole(answer))
        spoiled = spoil_whole(rule, [(timeline.end_us, body)])
        response.content_type = "application/json"
        # A body that is cut says how long it should have been.
        response.content_length = len(body) if spoiled.cut else sum(len(data) for _, data in spoiled.writes)
    if rule is not None and rule.kind == "wrong_content_type":
        response.content_type, response.charset = "text/html", "utf-8"
    return await send(
        http, response, spoiled, emulator.clock, answer.admitted_us, service.deliveries, entry, last_words, headers_us
    )


def _encoded(body: dict[str, Any]) -> bytes:
    return _compact(body).encode()
