"""`/_mock/…`: what a test asks of the mock itself, in whatever language: state, log, metrics, faults, turns, runs.

None of it is part of any provider's API. Under a run's prefix (`/_run/NAME/_mock/…`) it speaks of that run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from aiohttp import web

from mockllm import MockLLMError, __version__
from mockllm.core.faults import read_rules
from mockllm.server.addresses import is_loopback
from mockllm.server.endpoint import Service
from mockllm.server.metrics import CONTENT_TYPE
from mockllm.server.routes import Route, json_response
from mockllm.server.runs import Run, Runs, read_spec

__all__ = ["PREFIX", "ControlError", "ForeignError", "control_routes", "refuse_foreigners"]

PREFIX = "/_mock/"


class ControlError(MockLLMError):
    """A question to the mock itself that it does not understand, or that nothing follows from."""


class ForeignError(MockLLMError):
    """A question to the mock itself that a page of another site has a browser ask."""


def refuse_foreigners(http: web.Request) -> None:
    """Raise `ForeignError` for what a browser sends on behalf of a page that is not this machine's.

    A page anywhere can have its visitor's browser send to 127.0.0.1, and by a name of its own that leads there even
    read what comes back.
    """
    for name, value in (("origin", http.headers.get("origin")), ("host", f"//{http.host}")):
        host = urlsplit(value).hostname if value is not None else "localhost"
        if host is None or not is_loopback(host):
            raise ForeignError(
                f"{name}: {(value or '').strip('/')[:100]!r} is not this machine, and may not steer the mock"
            )


@dataclass(frozen=True, slots=True)
class _Control:
    runs: Runs
    service: Service
    facts: Callable[[], dict[str, Any]]

    async def state(self, _: web.Request, run: Run) -> web.StreamResponse:
        profile = run.emulator.profile
        return json_response(
            {
                "version": __version__,
                "profile": profile.name,
                "model": profile.model,
                "run": run.spec.model_dump() | {"seed": run.emulator.draws.seed},
                "time_s": run.emulator.clock.now_us() / 1e6,
                "requests": run.log.total,
                "faults": _rules(run),
                "load": _load(run),
                "runs": len(self.runs),
                **self.facts(),
            }
        )

    async def reset(self, _: web.Request, run: Run) -> web.StreamResponse:
        fresh = self.runs.reset(run.spec.name)
        return json_response({"reset": fresh.spec.name, "forgotten_requests": run.log.total})

    async def requests(self, http: web.Request, run: Run) -> web.StreamResponse:
        bodies = http.query.get("bodies", "false").lower() in ("1", "true", "yes")
        entries = [entry.facts() | ({"body": _plain(entry.body)} if bodies else {}) for entry in run.log]
        return json_response({"total": run.log.total, "requests": entries})

    async def metrics(self, _: web.Request, __: Run) -> web.StreamResponse:
        return web.Response(body=self.service.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def faults(self, _: web.Request, run: Run) -> web.StreamResponse:
        return json_response({"faults": _rules(run)})

    async def set_faults(self, http: web.Request, run: Run) -> web.StreamResponse:
        _refuse_replays(run)
        value = await _json(http)
        run.faults = read_rules(value["faults"] if isinstance(value, dict) and set(value) == {"faults"} else value)
        return json_response({"faults": _rules(run)})

    async def clear_faults(self, _: web.Request, run: Run) -> web.StreamResponse:
        run.faults = ()
        return json_response({"faults": []})

    async def expected(self, _: web.Request, run: Run) -> web.StreamResponse:
        return json_response({"remaining": run.expectations.remaining()})

    async def expect(self, http: web.Request, run: Run) -> web.StreamResponse:
        _refuse_replays(run)
        return json_response({"registered": run.expectations.register(await _json(http))})

    async def clear_expected(self, _: web.Request, run: Run) -> web.StreamResponse:
        return json_response({"cleared": run.expectations.clear()})

    async def open_run(self, http: web.Request, _: Run) -> web.StreamResponse:
        run = self.runs.open(read_spec(await _json(http)))
        return json_response({"run": run.spec.model_dump(), "base_path": f"/_run/{run.spec.name}"})

    async def close_run(self, _: web.Request, run: Run) -> web.StreamResponse:
        if run is self.runs.default:
            raise ControlError(
                "the default run cannot be closed; name another by its prefix: DELETE /_run/NAME/_mock/runs"
            )
        self.runs.close(run.spec.name)
        return json_response({"closed": run.spec.name})


def control_routes(runs: Runs, service: Service, facts: Callable[[], dict[str, Any]]) -> list[Route]:
    """The routes; `facts` are what whoever runs the server wants to be seen in its state."""
    control = _Control(runs, service, facts)
    return [
        Route("GET", f"{PREFIX}state", control.state),
        Route("POST", f"{PREFIX}reset", control.reset),
        Route("GET", f"{PREFIX}requests", control.requests),
        Route("GET", f"{PREFIX}metrics", control.metrics),
        Route("GET", f"{PREFIX}faults", control.faults),
        Route("POST", f"{PREFIX}faults", control.set_faults),
        Route("DELETE", f"{PREFIX}faults", control.clear_faults),
        Route("GET", f"{PREFIX}expect", control.expected),
        Route("POST", f"{PREFIX}expect", control.expect),
        Route("DELETE", f"{PREFIX}expect", control.clear_expected),
        Route("POST", f"{PREFIX}runs", control.open_run),
        Route("DELETE", f"{PREFIX}runs", control.close_run),
    ]


def _refuse_replays(run: Run) -> None:
    if run.replay is not None:
        raise ControlError("a recording is said as it is, without faults or turns of yours; serve without --replay")


def _load(run: Run) -> dict[str, int] | None:
    load = run.emulator.load
    return None if load is None else {"active": load.active, "waiting": load.waiting}


def _rules(run: Run) -> list[dict[str, Any]]:
    return [rule.model_dump(exclude_none=True) for rule in run.faults]


def _plain(body: bytes) -> Any:
    """`body` as the JSON that it is, or as text where it is none that can be sent on."""
    try:
        plain = json.loads(body, parse_constant=_refuse_constant)
        json.dumps(plain)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    return plain


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


async def _json(http: web.Request) -> Any:
    try:
        return json.loads(await http.read())
    except (ValueError, RecursionError) as error:
        raise ControlError(f"{http.path}: the body is no JSON: {error}") from None
