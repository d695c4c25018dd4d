"""Planned failures: which request meets one, and what becomes of its answer.

Whether a request fails is drawn by its identity, so a fault falls on the same requests whatever the order in which they
arrive; a retry is another attempt and has luck of its own. What a client meets is one of the failures that the API's
documentation and its clients' bug reports name (protocol page: error table, mid-stream failure).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Annotated, Literal, NamedTuple, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mockllm import MockLLMError
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity

__all__ = [
    "REFUSALS",
    "FaultError",
    "FaultRule",
    "Spoiled",
    "Writes",
    "faults_of",
    "pick_fault",
    "read_rules",
    "spoil",
    "spoil_whole",
]

Writes: TypeAlias = list[tuple[int, bytes]]
"""What is sent when: microseconds from admission, and all the bytes of that instant."""

Kind: TypeAlias = Literal[
    "rate_limit",
    "server_error",
    "timeout",
    "overloaded",
    "error_event",
    "cut",
    "stall",
    "slow_start",
    "truncated",
    "malformed",
    "wrong_content_type",
]

REFUSALS = {"rate_limit": 429, "server_error": 500, "timeout": 504, "overloaded": 529}
"""The faults that refuse a request outright, with their HTTP status; the others spoil an answer that was planned."""

_PAGE = b"<!doctype html>\n<title>Bad gateway</title>\n<p>A proxy answered in place of the API.\n"
_WAITS_S = {"stall": 30.0, "slow_start": 10.0}


class FaultError(MockLLMError):
    """A rule for faults that cannot be read; the message names the field."""


class FaultRule(BaseModel):
    """One rule: a `kind` of failure, and the requests that meet it.

    `rate` is the share of requests; `call` names a call path and `attempts` the attempts that fail (0 is the first), so
    that `{"kind": "overloaded", "call": "main/turn-3", "attempts": [0]}` fails once and lets the retry pass. `after` is
    how much of a spoiled answer comes first, as a share of its events. `wait_s` is how long a stall or a slow start
    lasts, or a refusal takes. `retry_after_s` goes with a `rate_limit`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Kind
    rate: float = Field(default=1.0, ge=0.0, le=1.0)
    call: str | None = None
    attempts: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    after: float = Field(default=0.5, ge=0.0, le=1.0)
    wait_s: float | None = Field(default=None, ge=0.0, le=86_400.0)
    retry_after_s: int | None = Field(default=None, ge=0, le=86_400)

    @property
    def wait_us(self) -> int:
        """The wait in whole microseconds; without one of its own, what is usual for the kind."""
        wait_s = _WAITS_S.get(self.kind, 0.0) if self.wait_s is None else self.wait_s
        return round(wait_s * 1e6)

    def meets(self, identity: Identity) -> bool:
        """Whether the rule speaks of the request at all, luck apart."""
        path, attempt = identity
        return self.call in (None, path) and (self.attempts is None or attempt in self.attempts)


_RULES = TypeAdapter(tuple[FaultRule, ...])


def read_rules(value: object) -> tuple[FaultRule, ...]:
    """The rules in the plain JSON `value`, one table or a list of them. Raises `FaultError`, one line."""
    listed = value if isinstance(value, list) else [value]
    try:
        return _RULES.validate_python(listed)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise FaultError(f"faults.{field}: {first['msg']}") from None


def faults_of(words: Sequence[str]) -> tuple[FaultRule, ...]:
    """The rules that a command line writes as `KIND=RATE`. Raises `FaultError`."""
    rules = []
    for word in words:
        kind, _, rate = word.partition("=")
        try:
            rules.append(FaultRule.model_validate({"kind": kind, "rate": float(rate or 1.0)}))
        except ValueError:
            raise FaultError(
                f"--fault {word}: write KIND=RATE with a rate from 0 to 1; the kinds are {', '.join(get_args(Kind))}"
            ) from None
    return tuple(rules)


def pick_fault(rules: Sequence[FaultRule], draws: Draws, identity: Identity) -> FaultRule | None:
    """The first rule that the request meets, if any; each rule draws by its kind and its place among those."""
    places: dict[str, int] = {}
    for rule in rules:
        place = places[rule.kind] = places.get(rule.kind, -1) + 1
        if rule.meets(identity):
            luck = draws.uniforms(f"fault {rule.kind} {place}", identity.path, identity.attempt)[0]
            if luck < rule.rate:
                return rule
    return None


class Spoiled(NamedTuple):
    """An answer as a fault leaves it; `cut` says that the connection is dropped after the last of its writes."""

    writes: Iterable[tuple[int, bytes]]
    cut: bool = False


def spoil(rule: FaultRule, writes: Writes, error_event: bytes) -> Spoiled:
    """What `rule` makes of a stream's `writes`; `error_event` is how the protocol says that it failed.

    At least the first event comes, and never the last, so that a cut answer is never whole.
    """
    if rule.kind == "slow_start":
        return Spoiled([(at_us + rule.wait_us, data) for at_us, data in writes])
    if rule.kind == "wrong_content_type":
        return Spoiled([(writes[0][0], _PAGE)])
    events = _events(writes)
    kept = min(max(1, ceil(rule.after * len(events))), max(len(events) - 1, 0))
    before, after = events[:kept], events[kept:]
    at_us = after[0][0] if after else 0
    match rule.kind:
        case "error_event":
            return Spoiled(_joined([*before, (at_us, error_event)]))
        case "cut":
            half = [(at, data[: len(data) // 2]) for at, data in after[:1]]
            return Spoiled(_joined([*before, *half]), cut=True)
        case "stall":
            return Spoiled(_joined([*before, *[(at + rule.wait_us, data) for at, data in after]]))
        case "truncated":
            return Spoiled(_joined(before))
        case "malformed":
            broken = [(at, data[: len(data) // 2].rstrip() + b"\n\n") for at, data in after[:1]]
            return Spoiled(_joined([*before, *broken, *after[1:]]))
    return Spoiled(writes)


def spoil_whole(rule: FaultRule, writes: Writes) -> Spoiled:
    """The same for an answer that is one body and no stream: it is halved where a stream would lose its events."""
    at_us, body = writes[-1]
    half = body[: len(body) // 2]
    match rule.kind:
        case "slow_start":
            return Spoiled([(at_us + rule.wait_us, body)])
        case "stall":
            return Spoiled([(at_us, half), (at_us + rule.wait_us, body[len(half) :])])
        case "cut":
            return Spoiled([(at_us, half)], cut=True)
        case "truncated" | "malformed":
            return Spoiled([(at_us, half)])
        case "wrong_content_type":
            return Spoiled([(at_us, _PAGE)])
    return Spoiled(writes)


def _events(writes: Writes) -> list[tuple[int, bytes]]:
    return [(at_us, part + b"\n\n") for at_us, data in writes for part in data.split(b"\n\n") if part]


def _joined(events: Sequence[tuple[int, bytes]]) -> Writes:
    joined: dict[int, list[bytes]] = {}
    for at_us, data in events:
        joined.setdefault(at_us, []).append(data)
    return [(at_us, b"".join(parts)) for at_us, parts in joined.items()]
