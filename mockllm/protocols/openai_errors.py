"""Errors in the shape of OpenAI's API (protocol page: OpenAI, errors); the words of most codes are unverified."""

from __future__ import annotations

from typing import Any

from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["as_openai", "error_body"]

_KINDS = {
    401: "invalid_request_error",
    403: "insufficient_permissions",
    429: "rate_limit_error",
    503: "service_unavailable_error",
}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_OVERLOADED = {529: 503}


def as_openai(error: ApiError) -> ApiError:
    """`error` with the status that this API has for it: what is overloaded answers 503 here, and 529 is unknown."""
    status = _OVERLOADED.get(error.status, error.status)
    if status == error.status:
        return error
    return ApiError(status, error.message, error.headers, param=error.param, code=error.code)


def error_body(error: ApiError) -> dict[str, Any]:
    """The JSON of `error`, which `as_openai` made fit."""
    kind = _KINDS.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    code = _CODES.get(error.status) if error.code is None else error.code
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}}
