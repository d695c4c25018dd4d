"""When an answer is said: first token, flushes and end, in whole microseconds from its admission.

TTFT and decoding are drawn once for a call, by inverse CDF from the call's own uniforms. Flushes lie between the first
token and the end by gaps of their own, scaled to the decoding time, so nobody who only wants the two ends pays for them
(recordings: per-request rates vary by a CV of .07-.20, flush gaps by .7-1.4, flush to flush uncorrelated).
"""

from __future__ import annotations

from itertools import accumulate
from math import exp, log1p
from typing import NamedTuple

from mockllm.core.connections import SetupCost
from mockllm.core.distributions import (
    Constant,
    Distribution,
    Exponential,
    LognormalMixture,
    ShiftedLognormal,
    lognormal_sigma,
    microseconds,
    normal_quantile,
)
from mockllm.core.draws import UNIFORMS_PER_KEY, Draws
from mockllm.core.identity import Identity
from mockllm.core.profile import Profile, Residual
from mockllm.core.request import TokenCounter

__all__ = ["Flush", "Service", "Timeline", "service_of"]

_MOST_SERVICES = 256
_services: dict[int, tuple[Profile, Service]] = {}
_LEAST_TTFT_S = 0.001  # an extrapolated intercept may be negative; no answer comes before its question


class Flush(NamedTuple):
    """`tokens` tokens that reach the client `at_us` after admission."""

    at_us: int
    tokens: int


class Timeline(NamedTuple):
    """Offsets from admission: the first token at `first_us`, the last at `end_us`."""

    first_us: int
    end_us: int
    output_tokens: int


class Service:
    """What one profile does, its parameters taken out of their evidence once: timing, token counts, connections."""

    __slots__ = (
        "_cached",
        "_flush_beyond_first",
        "_gap_sigma",
        "_intercept",
        "_rate_sigma",
        "_residual",
        "_spike",
        "_spike_probability",
        "_square",
        "_steady",
        "_tokens_per_s",
        "_uncached",
        "counter",
        "headers_lead_us",
        "idle_expiry_s",
        "setup",
    )

    def __init__(self, profile: Profile) -> None:
        ttft, decode = profile.ttft, profile.decode
        self.counter = TokenCounter(profile.tokens)
        self.setup = SetupCost(profile.connection)
        self.idle_expiry_s = profile.connection.idle_expiry_s.value
        # Anthropic sends its headers together with the first event, OpenAI 0.4-2 s before it (recordings page).
        self.headers_lead_us = microseconds(ttft.headers_lead_s.value) if ttft.headers_lead_s is not None else 0
        self._intercept = ttft.intercept_s.value
        self._uncached = ttft.uncached_s_per_1k.value / 1e3
        self._square = ttft.uncached_s_per_1k2.value / 1e6 if ttft.uncached_s_per_1k2 else 0.0
        self._cached = ttft.cached_s_per_1k.value / 1e3
        self._residual = _ratio(ttft.residual)
        self._spike_probability = ttft.spike.probability.value if ttft.spike else 0.0
        self._spike = Exponential(ttft.spike.mean_s.value if ttft.spike else 0.0)
        self._tokens_per_s = decode.tokens_per_s.value
        self._rate_sigma = lognormal_sigma(decode.rate_cv.value)
        # A geometric number of tokens is an exponential one cut to whole tokens.
        mean = decode.flush_tokens.value
        self._flush_beyond_first = Exponential(-1.0 / log1p(-1.0 / mean) if mean > 1.0 else 0.0)
        self._gap_sigma = lognormal_sigma(decode.flush_gap_cv.value)
        # Where nothing varies, whatever is drawn, nothing needs to be drawn.
        self._steady = isinstance(self._residual, Constant) and not (self._spike_probability or self._rate_sigma)

    def plan(
        self, draws: Draws, identity: Identity, uncached_tokens: int, cached_tokens: int, output_tokens: int
    ) -> Timeline:
        """The timeline of one call; written tokens count as uncached (they are computed before they are kept)."""
        residual = spiked = spike = rate = 0.5
        if not self._steady:
            residual, spiked, spike, rate = draws.uniforms("service", identity.path, identity.attempt)
        base = (
            self._intercept
            + self._uncached * uncached_tokens
            + self._square * uncached_tokens * uncached_tokens
            + self._cached * cached_tokens
        )
        ttft_s = base * self._residual.quantile(residual)
        if spiked < self._spike_probability:
            ttft_s += self._spike.quantile(spike)
        first_us = microseconds(max(_LEAST_TTFT_S, ttft_s))
        decode_us = 0
        if output_tokens > 1:
            varied = exp(self._rate_sigma * normal_quantile(rate)) if self._rate_sigma else 1.0
            per_s = self._tokens_per_s * varied
            decode_us = microseconds((output_tokens - 1) / per_s)
        return Timeline(first_us, first_us + decode_us, output_tokens)

    def headers_us(self, timeline: Timeline) -> int:
        """When the headers of a stream are sent: the profile's lead before its first token, but not before it was
        admitted."""
        return max(0, timeline.first_us - self.headers_lead_us)

    def flushes(self, timeline: Timeline, draws: Draws, identity: Identity) -> list[Flush]:
        """The flushes of `timeline`: the first token alone, then sizes and gaps of their own, the last at its end."""
        left = timeline.output_tokens - 1
        if left <= 0:
            return [Flush(timeline.first_us, timeline.output_tokens)] if timeline.output_tokens else []
        sizes, gaps = self._sizes_and_gaps(left, draws, identity)
        # Not sum(): it rounds differently from Python 3.12 on.
        reached = list(accumulate(gaps))
        span_us = timeline.end_us - timeline.first_us
        flushes = [Flush(timeline.first_us, 1)]
        first_us, last = timeline.first_us, reached[-1]
        flushes += [
            Flush(first_us + round(span_us * (so_far / last)), size)
            for size, so_far in zip(sizes, reached, strict=True)
        ]
        flushes[-1] = Flush(timeline.end_us, flushes[-1].tokens)
        return flushes

    def _sizes_and_gaps(self, left: int, draws: Draws, identity: Identity) -> tuple[list[int], list[float]]:
        """How many of the `left` tokens after the first each flush holds, and how long each takes beside the others."""
        beyond, sigma = self._flush_beyond_first, self._gap_sigma
        if not (beyond.mean or sigma):
            return [1] * left, [1.0] * left  # nothing varies, whatever is drawn
        sizes: list[int] = []
        gaps: list[float] = []
        block = 0
        while left > 0:
            spread = draws.uniforms(f"flush-{block}", identity.path, identity.attempt)
            for place in range(0, UNIFORMS_PER_KEY, 2):
                if left <= 0:
                    break
                size = min(left, 1 + int(beyond.quantile(spread[place])))
                sizes.append(size)
                gaps.append(exp(sigma * normal_quantile(spread[place + 1])))
                left -= size
            block += 1
        return sizes, gaps


def service_of(profile: Profile) -> Service:
    """The timing model of `profile`, made once for as long as there are not too many others."""
    held = _services.get(id(profile))
    if held is None or held[0] is not profile:
        if len(_services) >= _MOST_SERVICES:
            _services.clear()
        held = _services[id(profile)] = (profile, Service(profile))
    return held[1]


def _ratio(residual: Residual) -> Distribution:
    if residual.family == "shifted_lognormal":
        assert residual.shift is not None
        shift, sigma = residual.shift.value, residual.sigma.value
        return ShiftedLognormal(shift, 1.0 - shift, sigma) if sigma else Constant(shift + (1.0 - shift))
    assert residual.weight is not None
    assert residual.ratio_2 is not None
    assert residual.sigma_2 is not None
    return LognormalMixture(
        residual.weight.value, 1.0, residual.sigma.value, residual.ratio_2.value, residual.sigma_2.value
    )
