from __future__ import annotations

import pytest

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_errors import as_openai, error_body


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", None),
        (401, "invalid_request_error", "invalid_api_key"),
        (404, "invalid_request_error", None),
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (500, "server_error", None),
        (503, "service_unavailable_error", None),
        (504, "server_error", None),
    ],
)
def test_a_status_has_its_type_and_code(status: int, kind: str, code: str | None) -> None:
    assert error_body(ApiError(status, "no")) == {"error": {"message": "no", "type": kind, "param": None, "code": code}}


def test_the_field_to_blame_and_a_code_are_told() -> None:
    told = error_body(ApiError(404, "no such model", param="model", code="model_not_found"))
    assert told["error"]["param"] == "model"
    assert told["error"]["code"] == "model_not_found"


def test_an_overloaded_service_answers_503_here_and_keeps_its_headers() -> None:
    told = as_openai(ApiError(529, "Overloaded", {"retry-after": "1"}))
    assert (told.status, told.message, told.headers) == (503, "Overloaded", {"retry-after": "1"})
    assert as_openai(ApiError(429, "no")).status == 429
