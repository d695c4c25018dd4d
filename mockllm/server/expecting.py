"""What a test registered at `/_mock/expect`, as the server meets it: whose turn it is, and errors as they were told."""

from __future__ import annotations

from mockllm.core.expectations import ErrorReply, Expectation, Facts
from mockllm.core.request import Request
from mockllm.protocols.anthropic_errors import USUAL_MESSAGES, ApiError
from mockllm.server.runs import Run

__all__ = ["take_expected", "told"]


async def take_expected(request: Request, run: Run) -> Expectation | None:
    """What was registered for `request`, if anything; at one instant the first by name takes its turn first."""
    emulator, identity = run.emulator, request.identity
    await emulator.clock.settle(identity)
    return run.expectations.take(identity.path, lambda: Facts.of(request, emulator.counter))


def told(error: ErrorReply) -> ApiError:
    """The error that a test asked for; without a message of its own it has the API's, where that is known."""
    message = error.message if error.message is not None else USUAL_MESSAGES.get(error.status, f"HTTP {error.status}")
    retry = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:g}"}
    return ApiError(error.status, message, retry)
