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
    """All at once; the first to fail cancels the others, and its error is what comes out, as it would one by one."""
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(_run(job)) for job in jobs]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in running]


async def _run(job: Job) -> ToolResult:
    return await job()
