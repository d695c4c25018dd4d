"""OpenAI's paths: chat completions and responses; and what all of this API's answers carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from mockllm.core.faults import Writes
from mockllm.core.identity import Identity
from mockllm.core.request import Request, TokenCounter
from mockllm.core.timeline import Flush
from mockllm.core.timeline import Service as Timing
from mockllm.emulator.admission import Answer
from mockllm.protocols import openai_chat_reply, openai_responses_reply
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.limit_headers import openai_limits
from mockllm.protocols.openai_chat_body import ChatBody
from mockllm.protocols.openai_errors import as_openai, error_body
from mockllm.server.endpoint import Asked, Endpoint
from mockllm.server.routes import Handler, Route, json_response
from mockllm.server.runs import Run

__all__ = ["openai_headers", "openai_refusal", "openai_routes", "speaks_openai"]

_ORGANIZATION = "org-mockllm"
_VERSION = "2020-10-01"
_PATHS = ("/v1/chat/", "/v1/completions", "/v1/embeddings", "/v1/responses")  # not all of them are spoken


def speaks_openai(path: str, headers: Mapping[str, str]) -> bool:
    """Whether what is sent to `path` (a run's prefix apart) is for this API, as far as one can tell.

    Both APIs list their models at the same path; whoever names an `anthropic-version` means the other one.
    """
    return path.startswith(_PATHS) or (path.startswith("/v1/models") and "anthropic-version" not in headers)


def openai_headers(identity: Identity) -> dict[str, str]:
    """What every answer carries, an error too; all but the request's id is unverified (protocol page: OpenAI)."""
    return {
        "x-request-id": f"req_01{identity.digits()}",
        "openai-organization": _ORGANIZATION,
        "openai-version": _VERSION,
    }


def openai_refusal(error: ApiError, headers: Mapping[str, str]) -> web.Response:
    """`error` in the API's form."""
    told = as_openai(error)
    return json_response(error_body(told), status=told.status, headers=headers)


def openai_routes(answering: Callable[[Endpoint], Handler]) -> list[Route]:
    """Method, path and handler of each; `answering` makes those of prompts."""
    chat = Endpoint("chat.completions", _read_chat, openai_headers, _chat_failed, openai_limits, _workspace, as_openai)
    responses = Endpoint(
        "responses", _read_responses, openai_headers, _responses_failed, openai_limits, _workspace, as_openai
    )

    return [
        Route("POST", "/v1/chat/completions", answering(chat)),
        Route("POST", "/v1/responses", answering(responses)),
    ]


@dataclass(slots=True)
class _Chat:
    request: Request
    body: ChatBody
    counter: TokenCounter

    def headers(self, answer: Answer) -> dict[str, str]:
        return _timed(answer, stream=self.request.stream)

    def whole(self, answer: Answer) -> dict[str, Any]:
        return openai_chat_reply.completion(answer.reply, answer.usage, self.counter)

    def events(self, answer: Answer, flushes: list[Flush]) -> Writes:
        first_us, end_us = answer.timeline.first_us, answer.timeline.end_us
        return openai_chat_reply.stream(
            answer.reply, answer.usage, flushes, first_us, end_us, self.counter, self.body.stream_options
        )


@dataclass(slots=True)
class _Response:
    request: Request
    body: Mapping[str, Any]
    timing: Timing
    counter: TokenCounter

    def headers(self, answer: Answer) -> dict[str, str]:
        return _timed(answer, stream=self.request.stream)

    def whole(self, answer: Answer) -> dict[str, Any]:
        return openai_responses_reply.response(answer.reply, answer.usage, self.body, self.counter)

    def events(self, answer: Answer, flushes: list[Flush]) -> Writes:
        begun_us, end_us = self.timing.headers_us(answer.timeline), answer.timeline.end_us
        return openai_responses_reply.stream(
            answer.reply, answer.usage, self.body, flushes, begun_us, end_us, self.counter
        )


def _read_chat(run: Run, headers: Mapping[str, str], raw: bytes) -> Asked:
    return _Chat(*run.openai.chat(headers, raw), run.emulator.counter)


def _read_responses(run: Run, headers: Mapping[str, str], raw: bytes) -> Asked:
    return _Response(*run.openai.responses(headers, raw), run.emulator.service, run.emulator.counter)


def _workspace(run: Run, headers: Mapping[str, str]) -> str:
    return run.openai.workspace(headers)


def _chat_failed(error: ApiError) -> bytes:
    return openai_chat_reply.failed(as_openai(error))


def _responses_failed(error: ApiError) -> bytes:
    return openai_responses_reply.failed(as_openai(error))


def _timed(answer: Answer, *, stream: bool) -> dict[str, str]:
    """The header that follows from a plan: how long the service works until it answers, in milliseconds."""
    timeline = answer.timeline
    return {"openai-processing-ms": str((timeline.first_us if stream else timeline.end_us) // 1000)}
