"""The runs behind one server: each a mock of its own, with its own clock, luck, cache, faults and log.

A client chooses its run by the base URL alone: `/_run/NAME/v1/messages` is the Messages endpoint of the run NAME, and
what has no such prefix is the default run. A name that was not opened is a fresh mock with the server's own luck, so
tests that run side by side on one server need nothing but names of their own.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mockllm import MockLLMError
from mockllm.core.clock import Clock
from mockllm.core.draws import Draws
from mockllm.core.expectations import Expectations
from mockllm.core.faults import FaultRule
from mockllm.core.identity import Occurrences
from mockllm.core.limits import RateLimits
from mockllm.core.profile import Profile
from mockllm.core.replay import Replay
from mockllm.core.speaker import DefaultSpeaker
from mockllm.emulator.admission import Emulator
from mockllm.protocols.anthropic_request import RequestReader
from mockllm.protocols.openai_request import OpenAiReader
from mockllm.server.request_log import KeptBodies, RequestLog

__all__ = ["DEFAULT_RUN", "Run", "RunError", "RunSpec", "Runs", "emulating", "read_spec"]

DEFAULT_RUN = ""
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,100}")
_MOST_RUNS = 1024


class RunError(MockLLMError):
    """A run that cannot be opened; the message says why."""


class RunSpec(BaseModel):
    """What determines a run: its luck (`seed`; `run` and `plausible` as in `Draws`) and whether its cache starts warm.

    `seed` None is the server's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = DEFAULT_RUN
    seed: int | None = None
    run: int = Field(default=0, ge=0)
    plausible: int = Field(default=0, ge=0)
    cache_start: Literal["cold", "warm"] = "cold"


def read_spec(value: object) -> RunSpec:
    """The spec in the plain JSON `value`. Raises `RunError`, one line."""
    try:
        spec = RunSpec.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field_name = ".".join(str(part) for part in first["loc"]) or "the run"
        raise RunError(f"{field_name}: {first['msg']}") from None
    _check_name(spec.name)
    return spec


def emulating(
    profile: Profile, seed: int, clock: Callable[[], Clock], limits: Callable[[], RateLimits]
) -> Callable[[RunSpec], Emulator]:
    """What makes the mock of a run as its spec says: `profile`, with luck by `seed` where the spec has none of its own,
    with the clock and the limits of its own that `clock` and `limits` start."""

    def make(spec: RunSpec) -> Emulator:
        draws = Draws(seed if spec.seed is None else spec.seed, spec.run, spec.plausible)
        spoken = profile.plausible(draws.seed, spec.plausible) if spec.plausible else profile
        warm = spec.cache_start == "warm"
        return Emulator(spoken, draws, clock(), DefaultSpeaker(draws), warm, limits=limits())

    return make


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise RunError(f"name: {name[:40]!r} is no name of a run; use up to 100 letters, digits and . _ ~ -")


@dataclass(slots=True)
class Run:
    """One run: an emulator, and what the server keeps beside it. With a `replay` it says that and nothing else."""

    spec: RunSpec
    emulator: Emulator
    messages: RequestReader
    openai: OpenAiReader
    occurrences: Occurrences
    faults: tuple[FaultRule, ...] = ()
    log: RequestLog = field(default_factory=RequestLog)
    expectations: Expectations = field(default_factory=Expectations)
    replay: Replay | None = None


class Runs:
    """Runs by name, made by `make` where they are first asked for. The one not used for longest goes where there are
    more than 1,024 besides the default."""

    __slots__ = ("_any_model", "_faults", "_held", "_kept", "_make", "_replay", "default")

    def __init__(
        self,
        make: Callable[[RunSpec], Emulator],
        *,
        any_model: bool = False,
        faults: tuple[FaultRule, ...] = (),
        replay: Callable[[], Replay] | None = None,
    ) -> None:
        self._make = make
        self._any_model = any_model
        self._faults = faults
        self._replay = replay
        self._kept = KeptBodies()
        self._held: OrderedDict[str, Run] = OrderedDict()
        self.default = self._made(RunSpec())

    def __len__(self) -> int:
        return 1 + len(self._held)

    def get(self, name: str) -> Run:
        """The run of that name, which begins now if there was none. Raises `RunError` for what is no name."""
        if name == DEFAULT_RUN:
            return self.default
        run = self._held.pop(name, None)
        if run is None:
            _check_name(name)
            run = self._made(RunSpec(name=name))
        self._hold(run)
        return run

    def open(self, spec: RunSpec) -> Run:
        """A run as `spec` says, which takes the place of one of its name."""
        self._held.pop(spec.name, None)
        run = self._made(spec)
        self._hold(run)
        return run

    def reset(self, name: str) -> Run:
        """The run of that name once more from its beginning."""
        run = self._made(self.get(name).spec)
        if name == DEFAULT_RUN:
            self.default = run
        else:
            self._held[name] = run
        return run

    def close(self, name: str) -> None:
        """Forget a run."""
        self._held.pop(name, None)

    def _made(self, spec: RunSpec) -> Run:
        emulator, occurrences = self._make(spec), Occurrences()
        told = emulator.profile, emulator.counter, occurrences, self._any_model
        replay = self._replay() if self._replay is not None else None
        readers = RequestReader(*told), OpenAiReader(*told)
        return Run(spec, emulator, *readers, occurrences, self._faults, RequestLog(self._kept), replay=replay)

    def _hold(self, run: Run) -> None:
        self._held[run.spec.name] = run
        if len(self._held) > _MOST_RUNS:
            self._held.popitem(last=False)
