"""Errors in the shape of the Anthropic API (protocol page: error body and its table of types)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockllm import MockLLMError

__all__ = ["USUAL_MESSAGES", "ApiError", "error_body"]

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


USUAL_MESSAGES = {
    401: "invalid x-api-key",
    429: "This request would exceed your organization's rate limit",
    500: "Internal server error",
    504: "Request timed out",
    529: "Overloaded",
}
"""What the API says of an error that comes of itself, by status (protocol page: message texts)."""

_LONGEST = 4000


class ApiError(MockLLMError):
    """An answer other than success: its HTTP `status`, the API's `kind` for it, a one-line message, and `headers`.

    A status without a kind of its own is an `invalid_request_error` below 500 and an `api_error` from there on. `param`
    (the field that is to blame) and `code` are shown by OpenAI's API alone.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.param = param
        self.code = code
        # What a client sent may be quoted in it, and may be anything.
        self.message = " ".join(message.splitlines())[:_LONGEST]
        super().__init__(self.message)
        self.kind = _KINDS.get(status, _KINDS[400] if status < 500 else _KINDS[500])


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """The JSON of `error`; `request_id` equals the `request-id` header."""
    return {
        "type": "error",
        "error": {"type": error.kind, "message": error.message},
        "request_id": request_id,
    }
