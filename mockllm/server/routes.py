"""What a route is here: a handler that is told its run, and JSON as it goes out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from aiohttp import web

from mockllm.server.runs import Run

__all__ = ["Handler", "Route", "json_response"]

Handler: TypeAlias = Callable[[web.Request, Run], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """A path of the API, by which every run of the server is reached, with or without its prefix."""

    method: str
    path: str
    handler: Handler


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`body` as compact JSON."""
    data = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(body=data, status=status, headers=headers, content_type="application/json")
