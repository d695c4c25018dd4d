"""What a route is here: a handler that is told its run, and JSON as it goes out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from aiohttp import web
from pydantic_core import PydanticSerializationError, to_json

from mockllm.server.runs import Run

__all__ = ["Handler", "Route", "json_bytes", "json_response"]

Handler: TypeAlias = Callable[[web.Request, Run], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """A path of the API, by which every run of the server is reached, with or without its prefix."""

    method: str
    path: str
    handler: Handler


def json_bytes(body: Any) -> bytes:
    """`body` as compact JSON."""
    try:
        return to_json(body)
    except PydanticSerializationError:  # it is nested more deeply than this goes, or holds half a surrogate pair
        return json.dumps(body, separators=(",", ":")).encode()


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`body` as compact JSON."""
    return web.Response(body=json_bytes(body), status=status, headers=headers, content_type="application/json")
