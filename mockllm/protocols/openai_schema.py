"""What the bodies of OpenAI's endpoints have in common: strict types of what is known, and patience with the rest.

Clients of this API send fields of their own and of other servers that speak it, so an unknown one is no error; a known
one of the wrong type is. The words of the messages are unverified, their `param` is the path of the field.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.json_body import read_object

__all__ = ["CacheOptions", "Wire", "read_as"]

BodyT = TypeVar("BodyT", bound=BaseModel)


class Wire(BaseModel):
    """A table of the wire; what is not known of it is kept."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class CacheOptions(Wire):
    """Explicit prompt caching (gpt-5.6 and later): who places breakpoints, and how long entries live at least."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


def read_as(kind: type[BodyT], raw: bytes) -> tuple[BodyT, dict[str, Any]]:
    """The body in `raw`, validated, and the plain JSON object that it was read from.

    Raises `ApiError` 400: for bytes that are no JSON object first, then for the first field that does not fit.
    """
    plain = read_object(raw)
    try:
        return kind.model_validate(plain), plain
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = _param(first["loc"], plain)
        if first["type"] == "missing":
            message, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
        else:
            code = "invalid_type" if first["type"].endswith("_type") else "invalid_value"
            message = f"Invalid value for '{param}': {first['msg'].removeprefix('Value error, ')}."
        raise ApiError(400, message, param=param, code=code) from None


def _param(path: tuple[int | str, ...], plain: Any) -> str:
    """`path` as the API writes it, without the names of alternatives, which the body itself does not hold."""
    written, held = "", plain
    for place, part in enumerate(path):
        if isinstance(held, list) and isinstance(part, int) and part < len(held):
            written += f"[{part}]"
            held = held[part]
        elif isinstance(held, dict) and isinstance(part, str) and (part in held or place == len(path) - 1):
            written += f".{part}" if written else part
            held = held.get(part)
    return written
