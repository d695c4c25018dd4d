"""A recording behind HTTP: whatever was asked of the recorded API is answered as it was then."""

from __future__ import annotations

from aiohttp import web

from mockllm.core.faults import Spoiled
from mockllm.core.identity import CALL_HEADER, BadCallPathError, check_path
from mockllm.core.recording import Exchange, asked
from mockllm.core.replay import Replay, as_recorded, is_stream, retimed
from mockllm.emulator.pace import Fixed
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.server.delivery import send
from mockllm.server.endpoint import Logged, Service
from mockllm.server.request_log import Entry
from mockllm.server.routes import ANY_PATH, Route
from mockllm.server.runs import DEFAULT_RUN, Run

__all__ = ["replay_routes"]

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def replay_routes(service: Service) -> list[Route]:
    """Every path, for the recording that the run holds."""

    async def answer(http: web.Request, run: Run) -> web.StreamResponse:
        raw = await http.read()
        with Logged(http, run, "replay", service, raw) as entry:
            response = await _answer(http, raw, run, service, entry)
            entry.status = response.status
        return response

    return [Route(method, ANY_PATH, answer) for method in _METHODS]


async def _answer(http: web.Request, raw: bytes, run: Run, service: Service, entry: Entry) -> web.StreamResponse:
    emulator, replay = run.emulator, run.replay
    assert replay is not None
    path = http.raw_path.removeprefix(f"/_run/{run.spec.name}") if run.spec.name != DEFAULT_RUN else http.raw_path
    question = asked(http.method, path, http.headers.items(), raw)
    named = _named(http)
    identity = run.occurrences.identify(bytes.fromhex(question)) if named is None else run.occurrences.name(named)
    entry.identity = identity
    since_us = entry.arrived_us
    if replay.timing == "profile" and service.set_up is not None:  # what was recorded holds the set-up that it had
        ready_us = service.set_up.due_us(http, emulator, identity, since_us)
        if ready_us is not None:
            await emulator.clock.sleep_until(ready_us)
            since_us = ready_us
    await emulator.clock.settle(identity)
    exchange = replay.take(question)
    if exchange is None:
        raise ApiError(404, _unknown(http, path, replay))
    if replay.timing == "recorded":
        writes = as_recorded(exchange)
    else:
        writes = retimed(exchange, emulator.service, emulator.counter, emulator.draws, identity)
    entry.stream = is_stream(exchange)
    response = _begun(exchange)
    spoiled = Spoiled(writes, exchange.cut)
    return await send(
        http, response, spoiled, Fixed(emulator.clock, since_us), emulator.clock, service.deliveries, entry, b""
    )


def _begun(exchange: Exchange) -> web.StreamResponse:
    response = web.StreamResponse(status=exchange.status, headers=dict(exchange.headers))
    if not (is_stream(exchange) or exchange.cut):  # which have no length, and go in chunks where the client knows those
        response.content_length = sum([len(chunk.data) for chunk in exchange.chunks])
    return response


def _named(http: web.Request) -> str | None:
    path = http.headers.get(CALL_HEADER)
    try:
        return None if path is None else check_path(path)
    except BadCallPathError as error:
        raise ApiError(400, str(error)) from None


def _unknown(http: web.Request, path: str, replay: Replay) -> str:
    plain = path.partition("?")[0]
    others = sum([held[0].path.partition("?")[0] == plain for held in replay.recording.values()])
    return (
        f"not recorded: {http.method} {plain} with this body ({others} others at this path are); record it with "
        "`mockllm record`, or serve without --replay"
    )
