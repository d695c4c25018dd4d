"""How each API tells its clients how far their rate limits are used (protocol: response headers; OpenAI, errors)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import TypeAlias

from mockllm.core.limits import RateLimitedError, Standings
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["anthropic_limits", "openai_limits", "too_many"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = [
    tuple([f"anthropic-ratelimit-{what}-{told}" for told in ("limit", "remaining", "reset")])
    for what in ("requests", "tokens", "input-tokens", "output-tokens")
]
_STEPS = (1, 1000, 1000, 1000)
_Dated: TypeAlias = tuple[int, int, int]
"""A limit, what is left of it, and the Unix second at which it is whole again."""


def anthropic_limits(standings: Standings, now_s: float) -> Mapping[str, str]:
    """The headers of every answer; `now_s` is Unix time. Tokens left are rounded to thousands, and `tokens` says the
    more restrictive of input and output."""
    return _dated(*[(limit, left, ceil(now_s + full_in_us / 1e6)) for limit, left, full_in_us in standings])


@lru_cache(maxsize=64)  # where no limit is near, all answers of one second say the same
def _dated(requests: _Dated, given: _Dated, said: _Dated) -> Mapping[str, str]:
    told: dict[str, str] = {}
    for (limit, remaining, reset), (most, left, reset_s), step in zip(
        _NAMES, (requests, min(given, said, key=_share_left), given, said), _STEPS, strict=True
    ):
        told[limit] = str(most)
        told[remaining] = str(min(most, (left + step // 2) // step * step))
        told[reset] = (_EPOCH + timedelta(seconds=reset_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return told


def openai_limits(standings: Standings, now_s: float) -> dict[str, str]:
    """The same in OpenAI's form, with resets as durations; of input and output tokens the more restrictive is told."""
    tightest = min(standings.input_tokens, standings.output_tokens, key=_share_left)
    told: dict[str, str] = {}
    for name, standing in (("requests", standings.requests), ("tokens", tightest)):
        told[f"x-ratelimit-limit-{name}"] = str(standing.limit)
        told[f"x-ratelimit-remaining-{name}"] = str(standing.remaining)
        told[f"x-ratelimit-reset-{name}"] = _duration(standing.full_in_us)
    return told


def too_many(error: RateLimitedError, model: str, told: dict[str, str]) -> ApiError:
    """The refusal of a request beyond a limit, with where its sender stands and when it would pass."""
    message = (
        f"This request would exceed your organization's rate limit of {error.limit:,} {error.what} per minute "
        f"(model: {model}). Try again in {error.retry_after_s} seconds, or reduce what you send."
    )
    return ApiError(429, message, {**told, "retry-after": str(error.retry_after_s)})


def _share_left(standing: tuple[int, int, int]) -> float:
    limit, left, _ = standing
    return left / limit


def _duration(us: int) -> str:
    """Such as 6m0s, 1.5s or 20ms, the way Go writes it."""
    ms = -(-us // 1000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:g}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds
