"""A request's body as plain JSON: one object, or a refusal that says what is wrong with it.

The reader is strict (RFC 8259): UTF-8, whole surrogate pairs, no number that is none or none that a double can hold.
Integers beyond 64 bits are read as doubles.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any

import orjson

from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["read_object"]

_DEEPEST = 254  # what orjson writes; it reads four times as deep


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`, at most 254 levels deep. Raises `ApiError` 400 for anything else."""
    try:
        plain = orjson.loads(raw.removeprefix(BOM_UTF8))  # some clients begin with it (RFC 8259 lets us ignore it)
        if raw.count(b"{") + raw.count(b"[") > _DEEPEST:
            orjson.dumps(plain)  # so that nobody who walks through it comes to the end of Python's stack
    except orjson.JSONDecodeError as error:
        raise _refusal(str(error)) from None
    except orjson.JSONEncodeError:
        raise _refusal("nested too deeply") from None
    if not isinstance(plain, dict):
        raise _refusal("it must be an object")
    return plain


def _refusal(reason: str) -> ApiError:
    return ApiError(400, f"The request body is not valid JSON: {reason}")
