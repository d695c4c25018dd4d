"""The header by which a client names its call, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Mapping

from mockllm.core.identity import CALL_HEADER, BadCallPathError, check_path
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["call_path"]


def call_path(headers: Mapping[str, str]) -> str | None:
    """The call path that the client sent, if it did. Raises `ApiError` 400 for what is none."""
    path = headers.get(CALL_HEADER)
    if path is None:
        return None
    try:
        return check_path(path)
    except BadCallPathError as error:
        raise ApiError(400, str(error)) from None
