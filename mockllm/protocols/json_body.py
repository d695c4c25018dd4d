"""A request's body as plain JSON: one object of finite numbers, or a refusal that says what is wrong with it."""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any, NoReturn

from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["read_object"]

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises `ApiError` 400 for anything else."""
    try:
        plain = _decode(raw.decode())
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError and JSONDecodeError are both ValueErrors.
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ApiError(400, f"The request body is not valid JSON: {reason}") from None
    if not isinstance(plain, dict):
        raise ApiError(400, "The request body is not valid JSON: it must be an object")
    if _SURROGATE.search(raw) is not None:
        _refuse_half_pairs(plain)
    return plain


def _refuse_half_pairs(plain: dict[str, Any]) -> None:
    """JSON can name half a surrogate pair, which is no text and can be sent on by nobody."""
    try:
        json.dumps(plain, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise ApiError(400, "The request body is not valid JSON: lone surrogate in a string") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode
