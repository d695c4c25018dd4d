"""The aiohttp application: which path is whose, and errors in the form of the protocol that they belong to.

It keeps no time of its own. Every byte is written at an absolute deadline of the emulator's clock, so the same
application serves in real time and, on a virtual loop, in no time at all.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from hashlib import blake2b
from typing import Any, NoReturn, TypeAlias

from aiohttp import web

from mockllm import MockLLMError
from mockllm.core.identity import Identity, Occurrences
from mockllm.emulator.admission import Emulator
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.server.anthropic_routes import anthropic_headers, anthropic_refusal, anthropic_routes
from mockllm.server.arrivals import Arrivals
from mockllm.server.control import PREFIX, ForeignError, control_routes, refuse_foreigners
from mockllm.server.delivery import Deliveries
from mockllm.server.endpoint import Service
from mockllm.server.metrics import Metrics
from mockllm.server.model_routes import model_routes
from mockllm.server.openai_routes import openai_headers, openai_refusal, openai_routes, speaks_openai
from mockllm.server.prompts import answering
from mockllm.server.replaying import replay_routes
from mockllm.server.request_log import Entry
from mockllm.server.routes import ANY_PATH, Handler, Route, json_response
from mockllm.server.runs import DEFAULT_RUN, Run, RunError, Runs
from mockllm.server.set_up import SetUp

__all__ = ["MAX_BODY_BYTES", "build_app", "build_runner", "runs_of"]

_log = logging.getLogger("mockllm.server")
MAX_BODY_BYTES = 32 * 1024 * 1024
_RUN_PREFIX = re.compile(r"^/_run/[^/]*")
_ARRIVALS = web.AppKey("arrivals", Arrivals)
_Response: TypeAlias = Coroutine[Any, Any, web.StreamResponse]
_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def runs_of(emulator: Emulator) -> Runs:
    """A server's runs where there is one emulator, whoever made it."""
    return Runs(lambda _: emulator)


def build_app(
    runs: Runs,
    *,
    connection_setup: bool,
    facts: Callable[[], dict[str, Any]] = dict,
    observe: Callable[[Run, Entry], None] | None = None,
    any_host: bool = False,
) -> web.Application:
    """The application that serves `runs`.

    With `connection_setup` the first request of each connection is admitted only when the profile's set-up time has
    passed: a server alone must pay it, while a virtual client pays for itself. `facts` are shown in `/_mock/state`, and
    `observe` is told of every prompt once it is answered. The mock itself is asked from this machine alone, unless by
    `any_host`.
    """
    arrivals, deliveries = Arrivals(), Deliveries()
    service = Service(arrivals, deliveries, Metrics(), SetUp() if connection_setup else None, observe)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[_ARRIVALS] = arrivals
    answered = answering(service)
    health = Route("GET", "/health", _health)
    spoken = (
        [*anthropic_routes(answered), *openai_routes(answered), *model_routes()]
        if runs.default.replay is None
        else replay_routes(service)
    )
    table: defaultdict[str, dict[str, _Handler]] = defaultdict(dict)
    for route in (health, *spoken, *control_routes(runs, service, facts)):
        handler = _of_its_run(runs, route.handler, guarded=route.path.startswith(PREFIX) and not any_host)
        for path in (route.path, f"/_run/{{run}}{route.path}"):
            table[path] |= (
                {route.method: handler, "HEAD": handler} if route.method == "GET" else {route.method: handler}
            )
    _register(app.router, table)

    async def end_streams(_: web.Application) -> None:
        deliveries.stop()

    app.on_shutdown.append(end_streams)
    return app


class _Runner(web.AppRunner):
    """A runner of which every connection is listened in on, where its application asks for that."""

    @property
    def server(self) -> Any:
        """What the sites make their connections with."""
        server, arrivals = super().server, self.app.get(_ARRIVALS)
        return server if server is None or arrivals is None else arrivals.watching(server)


def build_runner(
    app: web.Application, *, keepalive_s: float = 3630.0, shutdown_timeout_s: float = 1e-3
) -> web.AppRunner:
    """A runner with no access log, for which a vanished client ends its handler.

    It closes a connection that was idle for `keepalive_s`; the default is aiohttp's own. A stop ends the answers that
    are on their way, and waits for `shutdown_timeout_s` until their last words are written: by default for no answer,
    with the shortest wait there is (aiohttp takes a timeout of 0 for none).
    """
    return _Runner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=shutdown_timeout_s,
        keepalive_timeout=keepalive_s,
    )


def _register(router: web.UrlDispatcher, table: Mapping[str, Mapping[str, _Handler]]) -> None:
    """Have the paths of `table` answered, and all others, and other methods, refused in the form of the API.

    No middleware does that: aiohttp's way of wrapping handlers in one costs each request as much as reading its JSON.
    """
    occurrences = Occurrences()
    for path, handlers in {**table, ANY_PATH: table.get(ANY_PATH, {})}.items():
        resource = router.add_resource(path)
        for method, handler in handlers.items():
            resource.add_route(method, _answering_errors(handler, occurrences))
        # What a path has no method for is for whoever takes any path, if there is one.
        if path == ANY_PATH or ANY_PATH not in table:
            resource.add_route("*", _answering_errors(_refuse_method if handlers else _refuse_path, occurrences))


async def _refuse_method(http: web.Request) -> NoReturn:
    raise ApiError(405, f"Method Not Allowed: {http.path}")


async def _refuse_path(http: web.Request) -> NoReturn:
    raise ApiError(404, f"Not Found: {http.path}")


def _of_its_run(runs: Runs, handler: Handler, *, guarded: bool) -> _Handler:
    def handle(http: web.Request) -> Awaitable[web.StreamResponse]:
        if guarded:
            refuse_foreigners(http)
        name = http.match_info.get("run", DEFAULT_RUN)
        try:
            run = runs.get(name)
        except RunError as error:
            raise ApiError(404, str(error)) from None
        return handler(http, run)

    return handle


async def _health(_: web.Request, __: Run) -> web.StreamResponse:
    return json_response({"status": "ok"})


def _answering_errors(handler: _Handler, occurrences: Occurrences) -> Callable[[web.Request], _Response]:
    """`handler` with every failure as an error body, and a request id on every answer."""

    async def answer(http: web.Request) -> web.StreamResponse:
        try:
            response = await handler(http)
        except ApiError as error:
            return await _refusal(http, error, occurrences)
        except web.RequestPayloadError as error:
            reason = str(error).rpartition("message:")[2].strip()
            return await _refusal(http, ApiError(400, f"The request body cannot be read: {reason}"), occurrences)
        except web.HTTPException as error:
            too_large = isinstance(error, web.HTTPRequestEntityTooLarge)
            reason = "the request exceeds the maximum of 32 MB" if too_large else f"{error.reason}: {http.path}"
            return await _refusal(http, ApiError(error.status, reason), occurrences)
        except ConnectionResetError:
            raise
        except ForeignError as error:
            return json_response({"error": str(error)}, status=403)
        except MockLLMError as error:  # said to the mock itself
            return json_response({"error": str(error)}, status=400)
        except Exception:
            _log.exception("%s %s failed", http.method, http.path)
            return await _refusal(http, ApiError(500, "Internal server error"), occurrences)
        named = "request-id" in response.headers or "x-request-id" in response.headers
        if not named and PREFIX not in http.path:
            headers = openai_headers if _is_openai(http) else anthropic_headers
            response.headers.update(headers(await _unnamed(http, occurrences)))
        return response

    return answer


async def _refusal(http: web.Request, error: ApiError, occurrences: Occurrences) -> web.Response:
    identity = await _unnamed(http, occurrences)
    if _is_openai(http):
        return openai_refusal(error, openai_headers(identity) | error.headers)
    return anthropic_refusal(error, anthropic_headers(identity) | error.headers)


def _is_openai(http: web.Request) -> bool:
    return speaks_openai(_RUN_PREFIX.sub("", http.path, count=1), http.headers)


async def _unnamed(http: web.Request, occurrences: Occurrences) -> Identity:
    """The identity of an exchange that met no emulator: by what was sent, and how often."""
    try:
        sent = await http.read()
    except web.HTTPRequestEntityTooLarge:
        sent = b"too large"
    except web.RequestPayloadError:
        sent = b"unreadable"
    exchange = f"{http.method} {http.path_qs}\n".encode("utf-8", "surrogatepass") + sent
    return occurrences.identify(blake2b(exchange, digest_size=16).digest())
