"""A profile: what one hosted model does to a request, each parameter with the evidence for it.

Profiles are TOML files fitted to recorded traffic by `latlab calibrate fit`. `measured` parameters carry the interval
of the fit; `published` ones a source; `assumed` and `extrapolated` ones a stated range and the reason, and every
conclusion that rests on them says so. `defined` ones describe no model at all: they are what a synthetic profile is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from math import exp, expm1, log, sqrt
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from mockllm import MockLLMError
from mockllm.core.distributions import normal_quantile
from mockllm.core.draws import uniforms

__all__ = [
    "AutomaticRule",
    "CacheRule",
    "Connection",
    "Decode",
    "Evidence",
    "LoadRule",
    "Parameter",
    "Price",
    "Profile",
    "ProfileError",
    "Residual",
    "Rules",
    "Spike",
    "Tokens",
    "Ttft",
    "parse_profile",
]

Evidence = Literal["measured", "published", "assumed", "extrapolated", "defined"]
_Z95 = 1.959963984540054
_LARGEST_EXPONENT = 600.0  # an interval over hundreds of powers of ten is absurd, and still no reason to crash
TableT = TypeVar("TableT", bound=BaseModel)


class ProfileError(MockLLMError):
    """A profile that cannot be read; the message names the file and the field."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Parameter(_Table):
    """One number of a profile with its evidence.

    `interval` is the 95 % interval of a measured or published value and the stated range of an assumed or
    extrapolated one. A value without an interval is exact in the outer loop over plausible profiles; a defined one has
    none, since a definition cannot be wrong.
    """

    value: float
    evidence: Evidence
    source: str
    interval: tuple[float, float] | None = None
    n: int | None = None
    reason: str = ""

    @model_validator(mode="after")
    def _states_its_range(self) -> Parameter:
        if self.interval is not None and not self.interval[0] <= self.value <= self.interval[1]:
            raise ValueError(f"the interval {list(self.interval)} does not hold the value {self.value}")
        if self.evidence in ("assumed", "extrapolated") and (self.interval is None or not self.reason):
            raise ValueError(f"a parameter that is {self.evidence} needs an interval and a reason")
        if self.evidence == "defined" and self.interval is not None:
            raise ValueError("a parameter that is defined is exact; leave the interval out")
        return self

    def plausible(self, u: float) -> Parameter:
        """The parameter at the uniform `u` of its evidence.

        Evenly over a stated range; round a fitted value as two half normals whose 95 % interval is the fit's: of its
        logarithm where the interval lies above 0, since twice and half are then as far, and nothing reaches 0.
        """
        if self.interval is None:
            return self
        low, high = self.interval
        if self.evidence in ("assumed", "extrapolated"):
            drawn = low + u * (high - low)
        else:
            z = normal_quantile(u)
            share, end = abs(z) / _Z95, high if z > 0 else low
            if low > 0.0:
                drawn = self.value * exp(min(share * (log(end) - log(self.value)), _LARGEST_EXPONENT))
            else:
                drawn = self.value + share * (end - self.value)
            # A half normal has no end: what its interval keeps above 0, or between 0 and 1, is not drawn beyond.
            if low >= 0.0:
                drawn = max(drawn, 0.0)
                drawn = min(drawn, 1.0) if high <= 1.0 else drawn
        return self.model_copy(update={"value": drawn, "interval": None})


def _least(parameter: Parameter) -> float:
    return parameter.interval[0] if parameter.interval else parameter.value


def _above_zero(parameter: Parameter) -> Parameter:
    if _least(parameter) <= 0:
        raise ValueError("the value and its interval must lie above 0")
    return parameter


def _not_below_zero(parameter: Parameter) -> Parameter:
    if _least(parameter) < 0:
        raise ValueError("the value and its interval must not lie below 0")
    return parameter


def _a_share(parameter: Parameter) -> Parameter:
    most = parameter.interval[1] if parameter.interval else parameter.value
    if not 0 <= _least(parameter) <= most <= 1:
        raise ValueError("the value and its interval must lie between 0 and 1")
    return parameter


Positive = Annotated[Parameter, AfterValidator(_above_zero)]
NonNegative = Annotated[Parameter, AfterValidator(_not_below_zero)]
Share = Annotated[Parameter, AfterValidator(_a_share)]


class Residual(_Table):
    """Spread of TTFT round its fitted median, as a ratio.

    `shifted_lognormal`: shift + (1 - shift) * LogN(0, sigma), median 1. `lognormal_mixture`: LogN(0, sigma) and, with
    probability `weight`, ratio_2 * LogN(0, sigma_2). The fit chooses the family by AIC.

    Shift and sigma trade off along one spread, which is what a recording shows: sigma's interval holds at the shift's
    own value, and where another shift is drawn, sigma is what leaves the standard deviation as it was.
    """

    family: Literal["shifted_lognormal", "lognormal_mixture"]
    sigma: NonNegative
    shift: Share | None = None
    weight: Share | None = None
    ratio_2: Positive | None = None
    sigma_2: NonNegative | None = None

    @model_validator(mode="after")
    def _has_its_family_s_parameters(self) -> Residual:
        wanted = {"shifted_lognormal": ["shift"], "lognormal_mixture": ["weight", "ratio_2", "sigma_2"]}[self.family]
        missing = [name for name in wanted if getattr(self, name) is None]
        if missing:
            raise ValueError(f"the family {self.family} needs {', '.join(missing)}")
        return self


class Spike(_Table):
    """Contention: with `probability` a request waits an exponential `mean_s` longer."""

    probability: Share
    mean_s: NonNegative


class Ttft(_Table):
    """Time to first token: (intercept + uncached and cached prompt terms) x residual + spike.

    The prompt terms are seconds per thousand tokens; `uncached_s_per_1k2` multiplies the square of the thousands. With
    `headers_lead_s` a stream's headers are sent so long before its first token, and else together with it.
    """

    intercept_s: Parameter
    uncached_s_per_1k: Parameter
    uncached_s_per_1k2: Parameter | None = None
    cached_s_per_1k: Parameter
    residual: Residual
    spike: Spike | None = None
    headers_lead_s: NonNegative | None = None


class Decode(_Table):
    """Output: tokens a second after the first, their spread between requests, and the flushes that carry them.

    `rate_cv` is the coefficient of variation of a request's rate, `flush_tokens` the mean tokens of one flush,
    `flush_gap_cv` that of the gaps between flushes. Gaps are scaled to the request's own decoding time.
    """

    tokens_per_s: Positive
    rate_cv: NonNegative
    flush_tokens: Positive
    flush_gap_cv: NonNegative


class Connection(_Table):
    """Set-up of a new TCP + TLS connection, a lognormal of median `setup_s` (0: none), and the client's idle expiry."""

    setup_s: NonNegative
    setup_sigma: NonNegative
    idle_expiry_s: NonNegative


class CacheRule(_Table):
    """Prompt caching by breakpoints (protocol: prompt caching page).

    `eviction_mean_s`, where there is one, is the pressure of other tenants: an entry goes before its time, after an
    exponential wait from its writing of that mean. Without it entries live as long as they were promised.
    """

    minimum_tokens: NonNegative
    lookback_blocks: Positive
    breakpoints: NonNegative
    eviction_mean_s: Positive | None = None


class AutomaticRule(_Table):
    """Prompt caching that asks for no markers (protocol page: OpenAI, caching), from `minimum_tokens` on.

    `steps`: hits of whole steps of `step_tokens`. `breakpoints`: at most `writes` a request, of which the latest
    `lookback` are looked at. An entry that nobody uses lives `life_s`.
    """

    rule: Literal["steps", "breakpoints"]
    minimum_tokens: NonNegative
    life_s: Positive
    step_tokens: Positive | None = None
    writes: Positive | None = None
    lookback: Positive | None = None

    @model_validator(mode="after")
    def _has_its_rule_s_parameters(self) -> AutomaticRule:
        own = {"steps": ["step_tokens"], "breakpoints": ["writes", "lookback"]}
        for rule, names in own.items():
            for name in names:
                if (getattr(self, name) is not None) != (rule == self.rule):
                    raise ValueError(f"the rule {self.rule} {'needs' if rule == self.rule else 'has no'} {name}")
        return self


class Tokens(_Table):
    """Token counting: one token for every `characters_per_token` characters begun."""

    characters_per_token: Positive


class LoadRule(_Table):
    """A machine that its requests share, as a self-hosted model has one (the coupled stage).

    `slots` requests are answered at a time, `queue_most` more may wait, and whoever comes then is refused. All streams
    together say at most `total_tokens_per_s`; below that each is as fast as if it were alone.
    """

    slots: Positive
    queue_most: NonNegative
    total_tokens_per_s: Positive


class Rules(_Table):
    """What a model takes that others refuse; where a profile says nothing, it takes everything.

    `prefill`: a conversation may end with the assistant's own words. `thinking_enabled`: thinking may be asked for with
    a budget. `forced_tool_choice`: a tool call may be demanded. (Protocol: message texts.)
    """

    source: str
    prefill: bool = True
    thinking_enabled: bool = True
    forced_tool_choice: bool = True


class Price(_Table):
    """Whole nano-dollars a token, for prompts of at most `up_to_tokens` (0: of any length)."""

    up_to_tokens: int = Field(default=0, ge=0)
    input_nusd: int = Field(ge=0)
    output_nusd: int = Field(ge=0)
    write_5m_nusd: int = Field(ge=0)
    write_1h_nusd: int = Field(ge=0)
    read_nusd: int = Field(ge=0)
    source: str


class Profile(_Table):
    """One hosted model, as fitted, published or assumed. `provider` names the wire protocol."""

    name: str
    model: str
    provider: Literal["anthropic", "openai"]
    summary: str
    max_input_tokens: int = Field(gt=0)
    max_output_tokens: int = Field(gt=0)
    ttft: Ttft
    decode: Decode
    connection: Connection
    cache: CacheRule
    automatic_cache: AutomaticRule | None = None
    tokens: Tokens
    rules: Rules | None = None
    load: LoadRule | None = None
    price: tuple[Price, ...] = Field(min_length=1)

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter by its dotted name, in the order of the file's schema."""
        yield from _parameters("", self)

    def plausible(self, seed: int, draw: int) -> Profile:
        """The `draw`-th profile that the evidence allows; every parameter is drawn by its own name."""
        return _plausible(self, "", f"{seed}\x1f{draw}")


def _parameters(prefix: str, table: BaseModel) -> Iterator[tuple[str, Parameter]]:
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, Parameter):
            yield f"{prefix}{name}", value
        elif isinstance(value, BaseModel):
            yield from _parameters(f"{prefix}{name}.", value)


def _plausible(table: TableT, prefix: str, key: str) -> TableT:
    drawn: dict[str, Any] = {}
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, Parameter):
            drawn[name] = value.plausible(uniforms(f"plausible\x1f{key}\x1f{prefix}{name}")[0])
        elif isinstance(value, BaseModel):
            drawn[name] = _plausible(value, f"{prefix}{name}.", key)
    plausible = table.model_copy(update=drawn)
    if isinstance(table, Residual):
        assert isinstance(plausible, Residual)
        return plausible.model_copy(update=_of_one_spread(table, plausible))
    return plausible


def _of_one_spread(fitted: Residual, drawn: Residual) -> dict[str, Parameter]:
    """The drawn shift, and the sigma that has there the standard deviation of the drawn sigma at the fitted shift."""
    if fitted.shift is None or drawn.shift is None or fitted.shift.interval is None:
        return {}
    low, high = fitted.shift.interval
    shift = min(max(drawn.shift.value, low), high)  # a half normal goes on to 1, where nothing is left to spread
    if shift >= 1.0:
        return {}
    square = drawn.sigma.value**2
    variance = expm1(square) * exp(square) * ((1.0 - fitted.shift.value) / (1.0 - shift)) ** 2
    sigma = sqrt(log((1.0 + sqrt(1.0 + 4.0 * variance)) / 2.0))
    return {
        "shift": drawn.shift.model_copy(update={"value": shift}),
        "sigma": drawn.sigma.model_copy(update={"value": sigma}),
    }


def parse_profile(text: str, where: str) -> Profile:
    """The profile written in the TOML `text`; `where` names the file in the `ProfileError` that a bad one raises."""
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{where}: not a TOML file: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        line = _line_of(text, first["loc"])
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ProfileError(f"{where}: {field}{line}: {first['msg'].removeprefix('Value error, ')}") from None


def _line_of(text: str, path: tuple[str | int, ...]) -> str:
    """` (line N)` of the last part of `path` that the TOML `text` has a table or a key for, if it has any."""
    found = 0
    lines = [line.strip() for line in text.splitlines()]
    names = [str(part) for part in path]
    for part in range(1, len(names) + 1):
        table = ".".join(names[:part])
        for number, line in enumerate(lines[found:], found):
            key = line.split("=", 1)[0].strip()
            if line in (f"[{table}]", f"[[{table}]]") or key == names[part - 1]:
                found = number
                break
    return f" (line {found + 1})" if names and lines and (found or lines[0].startswith(names[0])) else ""
