"""Where a request may be cached: explicit and automatic `cache_control` as breakpoints (protocol: prompt caching)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mockllm.core.request import FIVE_MINUTES_US, ONE_HOUR_US, Block, Breakpoint
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["Mark", "breakpoints"]

_TTL_US = {"5m": FIVE_MINUTES_US, "1h": ONE_HOUR_US}


@dataclass(slots=True)
class Mark:
    """A marker on block number `index`, which stands at `path` of the body."""

    index: int
    ttl: str
    path: str


def breakpoints(
    marks: Sequence[Mark], automatic: str | None, blocks: Sequence[Block], most: int
) -> tuple[Breakpoint, ...]:
    """The breakpoints of a request with `marks` in render order, and a top-level marker of TTL `automatic` if any.

    The top-level marker takes the last eligible block, and one of the `most` slots unless that block has the same
    marker already. Raises `ApiError` 400: too many, an hour after five minutes, two TTLs on one block.
    """
    if len(marks) > most:
        raise ApiError(400, f"A maximum of {most} blocks with cache_control may be provided. Found {len(marks)}.")
    placed = list(marks)
    if automatic is not None:
        last = len(blocks) - 1
        while last >= 0 and not blocks[last].eligible:
            last -= 1
        held = marks[-1] if marks and marks[-1].index == last else None  # none stands on what is not eligible
        if held is not None and held.ttl != automatic:
            raise ApiError(
                400,
                f"cache_control: ttl='{automatic}' does not agree with the ttl='{held.ttl}' that the last block "
                f"already has at {held.path}",
            )
        if held is None and last >= 0:
            if len(marks) == most:
                raise ApiError(
                    400,
                    f"cache_control: automatic caching needs one of the {most} slots for blocks with cache_control, "
                    f"and {len(marks)} blocks have one already",
                )
            placed.append(Mark(last, automatic, "cache_control"))
    short = False
    for mark in placed:
        if mark.ttl == "1h" and short:
            raise ApiError(
                400,
                f"{mark.path}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block; "
                "blocks are processed in the order tools, system, messages",
            )
        short = short or mark.ttl == "5m"
    return tuple([Breakpoint(mark.index, _TTL_US[mark.ttl]) for mark in placed])
