"""What a study, an arm and a configuration are called, and where a name may break over lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["arm_name", "settings", "subject", "unbreakable", "wrapped"]


def subject(summary: Mapping[str, Any]) -> str:
    """What was studied: the target, and the profile where one was used."""
    return f"{summary['target']} on {summary['profile']}" if summary.get("profile") else str(summary["target"])


def arm_name(arm: Mapping[str, Any]) -> str:
    """What an arm is called: its label, or how it differs from the baseline."""
    return str(arm.get("label") or settings(arm["config"]) or "baseline")


def settings(config: Mapping[str, Any]) -> str:
    """A configuration as ``--set`` options spell it: ``cache_control=off, streaming=true``."""
    spelled = {key: str(value).lower() if isinstance(value, bool) else value for key, value in config.items()}
    return ", ".join(f"{key}={value}" for key, value in sorted(spelled.items()))


def unbreakable(name: str) -> int:
    """The width in characters that :func:`wrapped` needs to leave every word of ``name`` whole."""
    return max(len(piece.rstrip()) for piece in _pieces(name))


def wrapped(name: str, width: int) -> str:
    """``name`` over as many lines as it needs at ``width`` characters; a longer word stays whole."""
    lines = [""]
    for piece in _pieces(name):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(name: str) -> list[str]:
    """``name`` cut after each blank, comma, equals sign and slash: a toggle's name and value stay whole."""
    return re.findall(r"[^ ,=/]+[ ,=/]*|[ ,=/]+", name) or [name]
