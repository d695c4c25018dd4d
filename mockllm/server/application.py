"""The emulator behind HTTP: an aiohttp application that speaks the Anthropic protocol.

It keeps no time of its own. Every byte is written at an absolute deadline of the emulator's clock, so the same
application serves in real time and, on a virtual loop, in no time at all.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, TypeAlias
from weakref import WeakSet

from aiohttp import web

from mockllm.core.connections import SetupCost
from mockllm.core.identity import Identity, Occurrences, stable_id
from mockllm.emulator.admission import Answer, Emulator
from mockllm.protocols import anthropic_reply
from mockllm.protocols.anthropic_errors import ApiError, error_body
from mockllm.protocols.anthropic_models import model_info, model_list
from mockllm.protocols.anthropic_request import RequestReader

__all__ = ["MAX_BODY_BYTES", "build_app", "build_runner"]

_log = logging.getLogger("mockllm.server")
MAX_BODY_BYTES = 32 * 1024 * 1024
_ORGANIZATION = "00000000-0000-4000-8000-000000000000"
_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(emulator: Emulator, *, connection_setup: bool) -> web.Application:
    """The application of one run.

    With `connection_setup` the first request of each connection is admitted only when the profile's set-up time has
    passed: a server alone must pay it, while a virtual client pays for itself.
    """
    occurrences = Occurrences()
    messages = _Messages(emulator, occurrences, _Connections(emulator) if connection_setup else None)
    info = model_info(emulator.profile)

    async def one_model(request: web.Request) -> web.StreamResponse:
        if request.match_info["id"] != info["id"]:
            raise ApiError(404, f"model: {request.match_info['id']}")
        return _json(info)

    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_answering_errors(occurrences)])
    app.router.add_post("/v1/messages", messages.create)
    app.router.add_post("/v1/messages/count_tokens", messages.count_tokens)
    app.router.add_get("/v1/models", _always(model_list(info)))
    app.router.add_get("/v1/models/{id}", one_model)
    app.router.add_get("/health", _always({"status": "ok"}))
    for path in ("/", "/api/hello"):
        app.router.add_get(path, _always({"message": "hello"}))
    return app


def build_runner(app: web.Application, *, keepalive_s: float = 3630.0) -> web.AppRunner:
    """A runner with no access log, for which a vanished client ends its handler and a stop waits for no answer.

    It closes a connection that was idle for `keepalive_s`; the default is aiohttp's own.
    """
    # The shortest wait there is: aiohttp takes a timeout of 0 for none.
    return web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=1e-3, keepalive_timeout=keepalive_s
    )


class _Messages:
    """The two endpoints that take a prompt."""

    def __init__(self, emulator: Emulator, occurrences: Occurrences, connections: _Connections | None) -> None:
        self._emulator = emulator
        self._reader = RequestReader(emulator.profile, emulator.counter, occurrences)
        self._connections = connections

    async def create(self, http: web.Request) -> web.StreamResponse:
        request = self._reader.read(http.headers, await http.read())
        if self._connections is not None:
            await self._connections.set_up(http, request.identity)
        answer = await self._emulator.admit(request)
        if request.stream:
            return await self._stream(http, answer)
        await self._emulator.clock.sleep_until(answer.end_us)
        body = anthropic_reply.message(answer.reply, answer.usage, self._emulator.counter)
        return _json(body, headers=_headers(answer.identity))

    async def count_tokens(self, http: web.Request) -> web.StreamResponse:
        return _json({"input_tokens": self._reader.count(http.headers, await http.read())})

    async def _stream(self, http: web.Request, answer: Answer) -> web.StreamResponse:
        emulator, timeline = self._emulator, answer.timeline
        writes = anthropic_reply.stream(
            answer.reply,
            answer.usage,
            emulator.flushes(answer),
            timeline.first_us,
            timeline.end_us,
            emulator.counter,
        )
        response = web.StreamResponse(headers=_headers(answer.identity))
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        response.headers["cache-control"] = "no-cache"
        response.enable_chunked_encoding()
        try:
            for at_us, data in writes:
                await emulator.clock.sleep_until(answer.admitted_us + at_us)
                if not response.prepared:
                    await response.prepare(http)
                await response.write(data)
            await response.write_eof()
        except ConnectionResetError:
            pass  # the client is gone, and nobody is left to tell
        return response


class _Connections:
    """Which connections have been set up; the first request on a new one waits for that."""

    def __init__(self, emulator: Emulator) -> None:
        self._cost = SetupCost(emulator.profile.connection)
        self._emulator = emulator
        self._seen: WeakSet[asyncio.Transport] = WeakSet()

    async def set_up(self, http: web.Request, identity: Identity) -> None:
        transport = http.transport
        if transport is None or transport in self._seen:
            return
        self._seen.add(transport)
        clock = self._emulator.clock
        await clock.sleep_until(clock.now_us() + self._cost.draw_us(self._emulator.draws, identity))


def _answering_errors(occurrences: Occurrences) -> Any:
    """Middleware: every failure becomes an error body, and every answer has a request id."""

    @web.middleware
    async def answer(http: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            response = await handler(http)
        except ApiError as error:
            return await _refusal(http, error, occurrences)
        except web.HTTPException as error:
            too_large = isinstance(error, web.HTTPRequestEntityTooLarge)
            reason = "the request exceeds the maximum of 32 MB" if too_large else f"{error.reason}: {http.path}"
            return await _refusal(http, ApiError(error.status, reason), occurrences)
        except ConnectionResetError:
            raise
        except Exception:
            _log.exception("%s %s failed", http.method, http.path)
            return await _refusal(http, ApiError(500, "Internal server error"), occurrences)
        if "request-id" not in response.headers:
            response.headers.update(_headers(await _unnamed(http, occurrences)))
        return response

    return answer


async def _refusal(http: web.Request, error: ApiError, occurrences: Occurrences) -> web.Response:
    headers = _headers(await _unnamed(http, occurrences))
    return _json(error_body(error, headers["request-id"]), status=error.status, headers=headers)


async def _unnamed(http: web.Request, occurrences: Occurrences) -> Identity:
    """The identity of an exchange that met no emulator: by what was sent, and how often."""
    sent = blake2b(f"{http.method} {http.path_qs}\n".encode("utf-8", "surrogatepass"), digest_size=16)
    try:
        sent.update(await http.read())
    except web.HTTPRequestEntityTooLarge:
        sent.update(b"too large")
    return occurrences.identify(sent.digest())


def _headers(identity: Identity) -> dict[str, str]:
    return {
        "request-id": stable_id("req", identity.path, identity.attempt),
        "anthropic-organization-id": _ORGANIZATION,
    }


def _json(body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    data = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(body=data, status=status, headers=headers, content_type="application/json")


def _always(body: dict[str, Any]) -> _Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return _json(body)

    return handle
