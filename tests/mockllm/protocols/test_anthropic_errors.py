from __future__ import annotations

import pytest

from mockllm import MockLLMError
from mockllm.protocols.anthropic_errors import ApiError, error_body


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
        (405, "invalid_request_error"),
        (503, "api_error"),
    ],
)
def test_each_status_has_the_api_s_type(status: int, kind: str) -> None:
    assert ApiError(status, "why").kind == kind


def test_the_body_names_type_message_and_request() -> None:
    assert error_body(ApiError(404, "model: nobody"), "req_01") == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "model: nobody"},
        "request_id": "req_01",
    }


def test_it_is_one_of_mockllm_s_errors() -> None:
    assert isinstance(ApiError(400, "why"), MockLLMError)
    assert str(ApiError(400, "why")) == "why"


def test_what_it_quotes_cannot_break_its_line() -> None:
    assert ApiError(404, "model: a\nb").message == str(ApiError(404, "model: a\nb")) == "model: a b"
