"""What a recording of TTFT does not hold: prices, caching rules, decoding, connections; for each model, with sources.

A model that is not listed takes over the values of `OTHERWISE`, and its profile says so: they are there to be edited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mockllm.core.profile import (
    AutomaticRule,
    CacheRule,
    Connection,
    Decode,
    Parameter,
    Price,
    Profile,
    Rules,
    Tokens,
)

__all__ = ["DATASETS", "OTHERWISE", "Prior", "model_name", "prior_for", "prior_is_known", "prior_of"]

# Where a recording comes from: repository -> (commit, date of recording, licence).
DATASETS = {
    "epoch-research/ttft-latency-scaling": ("cf1e462", "August 2026", "MIT"),
    "chenchenygu/auditing-prompt-caching": ("3a7aec2", "September-October 2024", "Apache-2.0"),
}

OTHERWISE = "claude-sonnet-5"

_PROMPT_CACHING = "platform.claude.com, prompt caching (October 2026)"
_MODEL_PAGES = "model pages and third parties (November 2026): newer models refuse prefill and thinking with a budget"
_PRICING = "platform.claude.com, pricing (checked November 2026)"
_CLAUDE_RATES = "third parties' end-to-end figures"
_OPENAI_CACHING = "developers.openai.com, prompt caching (GPT-5.6 and later)"


@dataclass(frozen=True, slots=True)
class Prior:
    """The parts of a profile that stand beside its TTFT."""

    provider: str
    max_input_tokens: int
    max_output_tokens: int
    decode: Decode
    connection: Connection
    cache: CacheRule
    tokens: Tokens
    rules: Rules | None
    price: tuple[Price, ...]
    automatic_cache: AutomaticRule | None = None
    headers_lead_s: Parameter | None = None


def model_name(recorded: str) -> str:
    """The name of a profile for a model as a recording calls it: 'Claude Sonnet 5' is claude-sonnet-5."""
    name = re.sub(r"[^a-z0-9.]+", "-", recorded.lower()).strip("-.") or "model"
    return name.replace(".", "-") if name.startswith("claude") else name


def prior_of(profile: Profile) -> Prior:
    """What another profile says beside its TTFT."""
    return Prior(
        profile.provider,
        profile.max_input_tokens,
        profile.max_output_tokens,
        profile.decode,
        profile.connection,
        profile.cache,
        profile.tokens,
        profile.rules,
        profile.price,
        profile.automatic_cache,
        profile.ttft.headers_lead_s,
    )


def prior_is_known(name: str) -> bool:
    """Whether the model `name` has a prior of its own."""
    return name in _MODELS


def prior_for(name: str) -> Prior:
    """The prior of the model `name`, or of `OTHERWISE` for one that is not listed."""
    if name in _MODELS:
        return _MODELS[name]
    known = _MODELS[OTHERWISE]
    rate = _taken_over(known.decode.tokens_per_s, OTHERWISE)
    return replace(known, decode=known.decode.model_copy(update={"tokens_per_s": rate}))


def _taken_over(parameter: Parameter, model: str) -> Parameter:
    """What is published of `model`, for one of which nothing is known: assumed, from half of it to twice."""
    value = parameter.value
    reason = f"{model}'s; nothing is known of this model"
    return _assumed(value, (value / 2, value * 2), parameter.source, reason)


def _published(value: float, source: str) -> Parameter:
    return Parameter(value=value, evidence="published", source=source)


def _assumed(value: float, interval: tuple[float, float], source: str, reason: str) -> Parameter:
    return Parameter(value=value, interval=interval, evidence="assumed", source=source, reason=reason)


_OTHER_MODELS = "ranges over the models that were recorded; this one's chunks were not"


def _decode(tokens_per_s: Parameter, flush_tokens: Parameter) -> Decode:
    return Decode(
        tokens_per_s=tokens_per_s,
        rate_cv=_assumed(0.13, (0.07, 0.20), "spread between requests of other recorded models", _OTHER_MODELS),
        flush_tokens=flush_tokens,
        flush_gap_cv=_assumed(1.0, (0.7, 1.4), "gaps between flushes of other recorded models", _OTHER_MODELS),
    )


_CLAUDE_FLUSH = _assumed(9.0, (4.0, 22.0), "text deltas of Claude Sonnet 4", _OTHER_MODELS)
_GPT_FLUSH = _assumed(
    2.5,
    (1.0, 9.0),
    "ScaleVoice/LatencyLab (April 2024): 2-3 tokens a flush at OpenAI",
    "recorded from models of 2024; from single tokens to the deltas of another provider",
)
_SONNET_5_RATE = Parameter(
    value=95.0,
    interval=(76.0, 114.0),
    evidence="published",
    source=_CLAUDE_RATES,
    reason="from end-to-end times, not from gaps between tokens; 20 % either way is stated, no interval was published",
)
_OPUS_5_RATE = _assumed(
    72.0,
    (48.0, 108.0),
    f"Claude Opus 4.8: 72 tokens a second ({_CLAUDE_RATES})",
    "the figure of its predecessor; half as fast again either way",
)
_HAIKU_5_5_RATE = _assumed(
    110.0,
    (75.0, 200.0),
    f"Claude Haiku 4.5: 110 tokens a second ({_CLAUDE_RATES})",
    "the figure of a predecessor; up to the 200 of Claude 3 Haiku",
)

_TERRA_RATE = _assumed(
    90.0,
    (45.0, 180.0),
    "GPT-4o: 90 tokens a second (recorded, 2024)",
    "a model of the same provider's middle class, two generations earlier; from half of it to twice",
)

_ANTHROPIC_CONNECTION = Connection(
    setup_s=Parameter(
        value=0.097,
        interval=(0.038, 0.240),
        evidence="published",
        source="mazamaka/llm-latency-tracker @1a716d1 (October 2026): new connections from us-central, median",
        n=287,
        reason="depends on where the client stands: 38-68 ms (TCP + TLS) near the service, 240 ms from Tokyo",
    ),
    setup_sigma=Parameter(
        value=0.34,
        interval=(0.16, 0.40),
        evidence="published",
        source="mazamaka/llm-latency-tracker @1a716d1 (October 2026): us-central, from p50 97 ms and p95 169 ms",
        n=287,
        reason="from the lowest to the highest of four regions",
    ),
    idle_expiry_s=_published(5.0, "the Python SDK's HTTP library: keep-alive connections expire after 5 s"),
)


_OPENAI_CONNECTION = Connection(
    setup_s=Parameter(
        value=0.136,
        interval=(0.100, 0.290),
        evidence="published",
        source="mazamaka/llm-latency-tracker @1a716d1 (October 2026): new connections from us-central, median",
        n=287,
        reason="depends on where the client stands: 214 ms from Tokyo, 290 ms from Europe; below 136 ms it is assumed",
    ),
    setup_sigma=Parameter(
        value=0.26,
        interval=(0.19, 0.43),
        evidence="published",
        source="mazamaka/llm-latency-tracker @1a716d1 (October 2026): us-central, from p50 136 ms and p95 207 ms",
        n=287,
        reason="from the lowest to the highest of four regions",
    ),
    idle_expiry_s=_published(5.0, "the Python SDK's HTTP library: keep-alive connections expire after 5 s"),
)


def _price(up_to_tokens: int, *nusd: int, source: str = _PRICING) -> Price:
    input_nusd, output_nusd, write_5m_nusd, write_1h_nusd, read_nusd = nusd
    return Price(
        up_to_tokens=up_to_tokens,
        input_nusd=input_nusd,
        output_nusd=output_nusd,
        write_5m_nusd=write_5m_nusd,
        write_1h_nusd=write_1h_nusd,
        read_nusd=read_nusd,
        source=source,
    )


def _anthropic(tokens_per_s: Parameter, minimum_tokens: int, price: tuple[Price, ...]) -> Prior:
    return Prior(
        provider="anthropic",
        max_input_tokens=1_000_000,
        max_output_tokens=128_000,
        decode=_decode(tokens_per_s, _CLAUDE_FLUSH),
        connection=_ANTHROPIC_CONNECTION,
        cache=CacheRule(
            minimum_tokens=_published(minimum_tokens, _PROMPT_CACHING),
            lookback_blocks=_published(20, _PROMPT_CACHING),
            breakpoints=_published(4, _PROMPT_CACHING),
        ),
        tokens=Tokens(
            characters_per_token=_published(3.5, "the vendor's approximation for English: 3.5 characters a token")
        ),
        rules=Rules(source=_MODEL_PAGES, prefill=False, thinking_enabled=False),
        price=price,
    )


# A write lives for half an hour, whatever marked it, and has one price: the two columns for writes hold the same.
_TERRA_PRICE = "price cut of 30 July 2026, as resellers quote it; writes at 1.25 times the input"
_TERRA_LONG_PRICE = f"{_TERRA_PRICE}; above 272,000 tokens twice the input and 1.5 times the output, as GPT-6.1 Terra"
_TERRA = Prior(
    provider="openai",
    max_input_tokens=1_050_000,
    max_output_tokens=128_000,
    decode=_decode(_TERRA_RATE, _GPT_FLUSH),
    connection=_OPENAI_CONNECTION,
    cache=CacheRule(
        minimum_tokens=_published(1024, _OPENAI_CACHING),
        lookback_blocks=_published(80, _OPENAI_CACHING),
        breakpoints=_published(4, _OPENAI_CACHING),
    ),
    tokens=Tokens(characters_per_token=_published(4.0, "the vendor's approximation for English: 4 characters a token")),
    rules=None,
    price=(
        _price(272_000, 2000, 12000, 2500, 2500, 200, source=_TERRA_PRICE),
        _price(0, 4000, 18000, 5000, 5000, 400, source=_TERRA_LONG_PRICE),
    ),
    automatic_cache=AutomaticRule(
        rule="breakpoints",
        minimum_tokens=_published(1024, _OPENAI_CACHING),
        writes=_published(4, _OPENAI_CACHING),
        lookback=_published(80, _OPENAI_CACHING),
        life_s=_assumed(
            1800.0,
            (1800.0, 3600.0),
            _OPENAI_CACHING,
            "half an hour is the least that is promised; the service may keep entries for longer",
        ),
    ),
    headers_lead_s=_assumed(
        1.0,
        (0.4, 2.0),
        "other recorded models of OpenAI: headers 0.4-2 s before the first text",
        "the range over what was recorded; this model's headers were not",
    ),
)

_MODELS: dict[str, Prior] = {
    "claude-sonnet-5": _anthropic(_SONNET_5_RATE, 1024, (_price(0, 2000, 10000, 2500, 4000, 200),)),
    "claude-opus-5": _anthropic(_OPUS_5_RATE, 512, (_price(0, 5000, 25000, 6250, 10000, 500),)),
    "claude-haiku-5-5": _anthropic(
        _HAIKU_5_5_RATE,
        512,
        (_price(100_000, 100, 500, 125, 200, 10), _price(0, 500, 2500, 625, 1000, 50)),
    ),
    "gpt-5.6-terra": _TERRA,
}
