"""The Anthropic API's paths: messages, token counting, and what clients ask to see whether anyone is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from mockllm.core.identity import Identity
from mockllm.core.request import Request, TokenCounter
from mockllm.core.timeline import Flush
from mockllm.emulator.admission import Answer
from mockllm.protocols import anthropic_reply
from mockllm.protocols.anthropic_errors import ApiError, error_body
from mockllm.protocols.limit_headers import anthropic_limits
from mockllm.server.endpoint import Asked, Endpoint
from mockllm.server.routes import Handler, Route, json_response
from mockllm.server.runs import Run

__all__ = ["anthropic_headers", "anthropic_refusal", "anthropic_routes"]

_ORGANIZATION = "6d6f636b-6c6c-4d0e-8b1a-9f3c57e2d846"


def anthropic_headers(identity: Identity) -> dict[str, str]:
    """What every answer carries, an error too."""
    return {
        "request-id": f"req_01{identity.digits()}",
        "anthropic-organization-id": _ORGANIZATION,
    }


def anthropic_refusal(error: ApiError, headers: Mapping[str, str]) -> web.Response:
    """`error` in the API's form; its `request_id` equals the header."""
    return json_response(error_body(error, headers["request-id"]), status=error.status, headers=headers)


def anthropic_routes(answering: Callable[[Endpoint], Handler]) -> list[Route]:
    """Method, path and handler of each; `answering` makes those of prompts."""
    endpoint = Endpoint("messages", _read, anthropic_headers, _failed, anthropic_limits, _workspace)

    return [
        Route("POST", "/v1/messages", answering(endpoint)),
        Route("POST", "/v1/messages/count_tokens", _count_tokens),
        Route("GET", "/", _hello),
        Route("GET", "/api/hello", _hello),
    ]


@dataclass(slots=True)
class _Message:
    request: Request
    counter: TokenCounter

    def headers(self, answer: Answer) -> dict[str, str]:
        return {}

    def whole(self, answer: Answer) -> dict[str, Any]:
        return anthropic_reply.message(answer.reply, answer.usage, self.counter, _diagnostics(answer))

    def events(self, answer: Answer, flushes: list[Flush]) -> Iterator[tuple[int, bytes]]:
        first_us, end_us = answer.timeline.first_us, answer.timeline.end_us
        return anthropic_reply.stream(
            answer.reply, answer.usage, flushes, first_us, end_us, self.counter, _diagnostics(answer)
        )


def _diagnostics(answer: Answer) -> dict[str, object] | None:
    return {"cache_miss_reason": answer.cache_miss} if answer.cache_miss is not None else None


def _read(run: Run, headers: Mapping[str, str], raw: bytes) -> Asked:
    return _Message(run.messages.read(headers, raw), run.emulator.counter)


def _workspace(run: Run, headers: Mapping[str, str]) -> str:
    return run.messages.workspace(headers)


def _failed(error: ApiError) -> bytes:
    body = {"type": "error", "error": {"type": error.kind, "message": error.message}}
    return f"event: error\ndata: {json.dumps(body, separators=(',', ':'))}\n\n".encode()


async def _count_tokens(http: web.Request, run: Run) -> web.StreamResponse:
    return json_response({"input_tokens": run.messages.count(http.headers, await http.read())})


async def _hello(_: web.Request, __: Run) -> web.StreamResponse:
    return json_response({"message": "hello"})
