"""Budgets for what a test's requests may take and cost, and the table that says where it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from mockllm.testing.recorded import RecordedRequest

__all__ = ["Budget", "Spent", "overrun", "spent"]

_AT_LEAST = {"cache_hit_rate"}
_COLUMNS = ("#", "call", "status", "ttft_s", "total_s", "input", "read", "written", "output", "cost_usd")
_LONGEST_CALL = 32
_MOST_ROWS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits; None is no limit. All are upper ones, but for `cache_hit_rate`."""

    total_s: float | None = None
    ttft_s: float | None = None
    cache_hit_rate: float | None = None
    calls: int | None = None
    cost_usd: float | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What some requests took and cost together.

    `total_s` runs from the first arrival to the last byte that was sent, so the tools between are part of it; `ttft_s`
    is the longest of any request; `cache_hit_rate` is the share of all prompt tokens that was read from the cache;
    `calls` counts every attempt.
    """

    total_s: float
    ttft_s: float
    cache_hit_rate: float
    calls: int
    cost_usd: float
    output_tokens: int


def spent(requests: Sequence[RecordedRequest]) -> Spent:
    """The sums over `requests`; all zero where there is none."""
    used = [one.usage for one in requests if one.usage is not None]
    prompt = sum(usage.prompt_tokens for usage in used)
    return Spent(
        total_s=_seconds(
            max((one.arrived_s + (one.total_s or 0.0) for one in requests), default=0.0)
            - min((one.arrived_s for one in requests), default=0.0)
        ),
        ttft_s=max((one.ttft_s or 0.0 for one in requests), default=0.0),
        cache_hit_rate=sum(usage.read_tokens for usage in used) / prompt if prompt else 0.0,
        calls=len(requests),
        cost_usd=round(sum(one.cost_usd for one in requests), 9),
        output_tokens=sum(usage.output_tokens for usage in used),
    )


def overrun(requests: Sequence[RecordedRequest], budget: Budget) -> str | None:
    """Why `requests` are not within `budget`, with a table of where it went; None where they are.

    A budget that speaks of no request at all is not kept: whoever sets one expects that something was asked.
    """
    if not requests and budget.calls != 0:
        return (
            "no request reached the mock, so there is nothing to hold against the budget; is the client's base URL its?"
        )
    sums = spent(requests)
    broken = []
    for name in [field.name for field in fields(budget)]:
        limit, value = getattr(budget, name), getattr(sums, name)
        if limit is None:
            continue
        if name in _AT_LEAST:
            if value < limit:
                broken.append(f"{name} is {_figure(value)}, at least {limit} was asked for")
        elif value > limit:
            broken.append(f"{name} is {_figure(value)}, at most {limit} was asked for")
    if not broken:
        return None
    return "\n".join(["over the budget:", *[f"  {line}" for line in broken], *_table(requests)])


def _table(requests: Sequence[RecordedRequest]) -> list[str]:
    rows = [_COLUMNS, *[_row(number, one) for number, one in enumerate(requests[:_MOST_ROWS], 1)]]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for number, call, *figures in rows:
        aligned = [figure.rjust(width) for figure, width in zip(figures, widths[2:], strict=True)]
        lines.append("  ".join([f"  {number:>{widths[0]}}", f"{call:<{widths[1]}}", *aligned]))
    if len(requests) > _MOST_ROWS:
        lines.append(f"  and {len(requests) - _MOST_ROWS} more")
    return lines


def _row(number: int, one: RecordedRequest) -> tuple[str, ...]:
    usage = one.usage
    tokens = (
        (usage.input_tokens, usage.read_tokens, usage.write_5m_tokens + usage.write_1h_tokens, usage.output_tokens)
        if usage is not None
        else ("-",) * 4
    )
    call = one.call or one.endpoint
    named = f"{call}#{one.attempt}" if one.attempt else call
    return (
        str(number),
        named if len(named) <= _LONGEST_CALL else f"{named[: _LONGEST_CALL - 1]}…",
        f"{one.status} {one.fault}" if one.fault else str(one.status),
        _figure(one.ttft_s),
        _figure(one.total_s),
        *map(str, tokens),
        _figure(one.cost_usd),
    )


def _seconds(value: float) -> float:
    return round(value, 6)  # whole microseconds once more, after the subtraction


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.6f}".rstrip("0").rstrip(".") or "0"
