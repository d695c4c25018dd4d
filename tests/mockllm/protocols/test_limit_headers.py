from __future__ import annotations

import pytest

from mockllm.core.limits import RateLimitedError, Standing, Standings
from mockllm.protocols.limit_headers import anthropic_limits, openai_limits, too_many

STANDINGS = Standings(
    Standing(50, 49, 1_200_000), Standing(30_000, 12_499, 35_000_000), Standing(8_000, 7_600, 3_000_001)
)


def test_anthropic_tells_dates_and_tokens_in_thousands_and_the_tighter_of_both() -> None:
    assert anthropic_limits(STANDINGS, 1_700_000_000.5) == {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:22Z",
        "anthropic-ratelimit-tokens-limit": "30000",
        "anthropic-ratelimit-tokens-remaining": "12000",
        "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:56Z",
        "anthropic-ratelimit-input-tokens-limit": "30000",
        "anthropic-ratelimit-input-tokens-remaining": "12000",
        "anthropic-ratelimit-input-tokens-reset": "2023-11-14T22:13:56Z",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "8000",
        "anthropic-ratelimit-output-tokens-reset": "2023-11-14T22:13:24Z",
    }


def test_openai_tells_durations() -> None:
    assert openai_limits(STANDINGS, 0.0) == {
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-reset-requests": "1.2s",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "12499",
        "x-ratelimit-reset-tokens": "35s",
    }


@pytest.mark.parametrize(
    ("us", "told"),
    [(0, "0ms"), (19_001, "20ms"), (360_000_000, "6m0s"), (3_661_500_000, "1h1m1.5s"), (999_999, "1s")],
)
def test_a_duration_is_written_as_the_api_writes_it(us: int, told: str) -> None:
    standings = Standings(Standing(1, 1, us), Standing(1, 1, 0), Standing(1, 1, 0))
    assert openai_limits(standings, 0.0)["x-ratelimit-reset-requests"] == told


def test_a_refusal_is_429_with_the_limit_in_words_and_the_wait_in_seconds() -> None:
    error = too_many(RateLimitedError(50_000, "input tokens", 12), "m", {"a": "b"})
    assert error.status == 429
    assert error.message.startswith(
        "This request would exceed your organization's rate limit of 50,000 input tokens per minute (model: m)."
    )
    assert error.headers == {"a": "b", "retry-after": "12"}
