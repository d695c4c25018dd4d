"""What a test registered at `/_mock/expect`, as the server meets it: whose turn it is, and errors as they were told."""

from __future__ import annotations

from mockllm.core.expectations import ErrorReply, Expectation, Facts
from mockllm.core.request import Request
from mockllm.protocols.anthropic_errors import USUAL_MESSAGES, ApiError
from mockllm.server.runs import Run

__all__ = ["take_expected"]


def take_expected(request: Request, run: Run) -> Expectation | None:
    """What was registered for `request`, which is admitted now, if anything; an error is raised as `ApiError`."""
    expected = run.expectations.take(request.identity.path, lambda: Facts.of(request, run.emulator.counter))
    if expected is not None and expected.error is not None:
        raise _told(expected.error)
    return expected


def _told(error: ErrorReply) -> ApiError:
    """The error that a test asked for; without a message of its own it has the API's, where that is known."""
    message = error.message if error.message is not None else USUAL_MESSAGES.get(error.status, f"HTTP {error.status}")
    retry = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:g}"}
    return ApiError(error.status, message, retry)
