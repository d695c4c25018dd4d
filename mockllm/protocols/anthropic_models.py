"""The model list: one profile is one model (protocol page: other endpoints)."""

from __future__ import annotations

from typing import Any

from mockllm.core.profile import Profile

__all__ = ["model_info", "model_list"]


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


def model_list(info: dict[str, Any]) -> dict[str, Any]:
    """The one page that there is."""
    return {"data": [info], "has_more": False, "first_id": info["id"], "last_id": info["id"]}
