"""OpenAI's list of models: one profile is one model (protocol page: OpenAI)."""

from __future__ import annotations

from typing import Any

from mockllm.core.profile import Profile

__all__ = ["CREATED", "model_info", "model_list"]

CREATED = 1_767_225_600
"""The Unix time that everything here was made at, 1 January 2026: a true one would change from run to run."""


def model_info(profile: Profile) -> dict[str, Any]:
    """The model's entry."""
    return {"id": profile.model, "object": "model", "created": CREATED, "owned_by": profile.provider}


def model_list(info: dict[str, Any]) -> dict[str, Any]:
    """The one page that there is."""
    return {"object": "list", "data": [info]}
