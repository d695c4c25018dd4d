"""What a toggle is, and the two things that an optimisation can wrap."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from latlab.client import Call, Exchange
from latlab.conversation import ToolResult

__all__ = ["FanOut", "Job", "Send", "Toggle"]

Send: TypeAlias = Callable[[Call], Awaitable[Exchange]]
"""Sends one call and waits for its end."""

Job: TypeAlias = Callable[[], Awaitable[ToolResult]]
"""One tool run that has not started."""

FanOut: TypeAlias = Callable[[Sequence[Job]], Awaitable[list[ToolResult]]]
"""Runs the tool calls of one turn and returns their results in order."""


@dataclass(frozen=True, slots=True)
class Toggle:
    """A named choice of a configuration: `values` in words, one of them the `default`."""

    name: str
    values: tuple[str, ...]
    default: str
    summary: str
