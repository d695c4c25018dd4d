"""The model list: one profile is one model (protocol page: other endpoints)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockllm.core.profile import Profile
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["model_info", "model_list"]

_MOST_MODELS = 1000


def model_info(profile: Profile) -> dict[str, Any]:
    """The model's entry. Its date is the epoch value with which the API marks one that is not known."""
    return {
        "type": "model",
        "id": profile.model,
        "display_name": profile.model,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": profile.max_input_tokens,
        "max_tokens": profile.max_output_tokens,
        "capabilities": None,
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
    }


def model_list(info: dict[str, Any], query: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The page that `query` asks for: of the one model, or of none where the cursor is that model.

    Raises `ApiError` 400 for a limit that is not from 1 to 1,000, two cursors, or one that names no model.
    """
    query = query or {}
    limit = query.get("limit", "20")
    # Not isdigit(): it is true of digits that are no ASCII, and a long run of them is no limit either.
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= _MOST_MODELS):
        raise ApiError(400, f"limit: Input should be a valid integer from 1 to {_MOST_MODELS}")
    cursors = [name for name in ("after_id", "before_id") if name in query]
    if len(cursors) > 1:
        raise ApiError(400, "after_id: cannot be used together with before_id")
    for name in cursors:
        if query[name] != info["id"]:
            raise ApiError(400, f"{name}: no model {query[name][:100]!r}")
    data = [] if cursors else [info]
    end = None if cursors else info["id"]
    return {"data": data, "has_more": False, "first_id": end, "last_id": end}
