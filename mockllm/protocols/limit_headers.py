"""How each API tells its clients how far their rate limits are used (protocol: response headers; OpenAI, errors)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil

from mockllm.core.limits import RateLimitedError, Standing, Standings
from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["anthropic_limits", "openai_limits", "too_many"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = [
    tuple([f"anthropic-ratelimit-{what}-{told}" for told in ("limit", "remaining", "reset")])
    for what in ("requests", "tokens", "input-tokens", "output-tokens")
]
_STEPS = (1, 1000, 1000, 1000)


def anthropic_limits(standings: Standings, now_s: float) -> Mapping[str, str]:
    """The headers of every answer; `now_s` is Unix time. Tokens left are rounded to thousands, and `tokens` says the
    more restrictive of input and output."""
    requests, given, said = standings
    used = requests.full_in_us or given.full_in_us or said.full_in_us
    return _anthropic_limits(standings, now_s if used else ceil(now_s))  # else all answers of one second say the same


@lru_cache(maxsize=16)
def _anthropic_limits(standings: Standings, now_s: float) -> Mapping[str, str]:
    requests, given, said = standings
    tightest = min(given, said, key=_share_left)
    told: dict[str, str] = {}
    for (limit, remaining, reset), (most, left, full_in_us), step in zip(
        _NAMES, (requests, tightest, given, said), _STEPS, strict=True
    ):
        told[limit] = str(most)
        told[remaining] = str(min(most, (left + step // 2) // step * step))
        told[reset] = _date(ceil(now_s + full_in_us / 1e6))
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


def _share_left(standing: Standing) -> float:
    return standing.remaining / standing.limit


@lru_cache(maxsize=64)  # every answer has four, and they are of the next few seconds
def _date(at_s: int) -> str:
    return (_EPOCH + timedelta(seconds=at_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(us: int) -> str:
    """Such as 6m0s, 1.5s or 20ms, the way Go writes it."""
    ms = -(-us // 1000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:g}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds
