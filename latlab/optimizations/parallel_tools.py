"""Parallel tools: the independent tool calls of one turn run at once instead of one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from latlab.conversation import ToolResult
from latlab.optimizations.toggle import Job, Toggle

__all__ = ["TOGGLE", "at_once", "in_turn"]

TOGGLE = Toggle("parallel_tools", ("false", "true"), "false", "run the tool calls of one turn at once")


async def in_turn(jobs: Sequence[Job]) -> list[ToolResult]:
    """One after the other."""
    return [await job() for job in jobs]


async def at_once(jobs: Sequence[Job]) -> list[ToolResult]:
    """All at once; the first to fail cancels the others, and its error is what comes out, with no group round it."""
    first: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(_run(job)) for job in jobs]
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
    if first is not None:
        raise first  # out here, where it is not raised in the context of the group that holds it
    return [task.result() for task in running]


async def _run(job: Job) -> ToolResult:
    return await job()
