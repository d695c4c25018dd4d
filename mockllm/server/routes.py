"""What a route is here: a handler that is told its run, and JSON as it goes out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import orjson
from aiohttp import web

from mockllm.server.runs import Run

__all__ = ["ANY_PATH", "Handler", "Route", "body_of", "json_bytes", "json_response"]

ANY_PATH = r"/{path:[\s\S]*}"
"""The path of a route that takes every path."""

Handler: TypeAlias = Callable[[web.Request, Run], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """A path of the API, by which every run of the server is reached, with or without its prefix."""

    method: str
    path: str
    handler: Handler


async def body_of(http: web.Request) -> bytes:
    """The body of `http`, which is taken at once where it is there already.

    Raises `HTTPRequestEntityTooLarge` beyond the application's limit.
    """
    content = http.content
    if not content.is_eof():
        return await http.read()
    raw = http._read_bytes = content.read_nowait()  # noqa: SLF001  # as its own `read` does, so that it can be read again
    if len(raw) > http.client_max_size:
        raise web.HTTPRequestEntityTooLarge(http.client_max_size, len(raw))
    return raw


def json_bytes(body: Any) -> bytes:
    """`body` as compact JSON."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # a whole number beyond 64 bits, half a surrogate pair, or a very deep nest
        return json.dumps(body, separators=(",", ":")).encode()


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`body` as compact JSON."""
    return web.Response(body=json_bytes(body), status=status, headers=headers, content_type="application/json")
