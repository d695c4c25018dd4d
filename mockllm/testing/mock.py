"""What a test asks of its mock, whichever way that runs: where it is, what it shall say, what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from mockllm import MockLLMError
from mockllm.core.faults import read_rules
from mockllm.core.profile import Profile
from mockllm.profiles import load
from mockllm.server.runs import Run, Runs
from mockllm.testing.budget import Budget, overrun
from mockllm.testing.recorded import RecordedRequest, record

__all__ = ["DEFAULT_PROFILE", "Mock", "NotStartedError", "Place", "profile_of"]

T = TypeVar("T")
DEFAULT_PROFILE = "claude-sonnet-5"


class Ask(Protocol):
    """Has some work done where the mock's runs live, and answers what came of it."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


class NotStartedError(MockLLMError):
    """A mock was asked for something before it was there, or after it was gone."""


class Place(NamedTuple):
    """Where a mock is: the URL by which clients reach its run, and how whoever holds it reaches the run itself."""

    base_url: str
    runs: Runs
    name: str
    ask: Ask


class Mock:
    """One run of a mock."""

    def __init__(self, place: Place | None = None) -> None:
        self._place = place

    @property
    def base_url(self) -> str:
        """What clients are given; those of OpenAI want `base_url + "/v1"`."""
        return self._held.base_url

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request for an answer since the run began, in the order of arrival."""

        def recorded() -> list[RecordedRequest]:
            prices = self._run.emulator.profile.price
            return [record(entry, prices) for entry in self._run.log]

        return self._ask(recorded)

    @property
    def elapsed_s(self) -> float:
        """Seconds of the mock's clock since it began."""
        return self._ask(lambda: self._run.emulator.clock.now_us() / 1e6)

    def expect(self, reply: str | Mapping[str, Any] | None = None, **more: Any) -> None:
        """Let a request be answered by `reply`, a text or a turn, once or as often as `times` says.

        The words are those of `/_mock/expect` (see `Expectation`): `call` or `match` say which request, `error` or
        `fault` what happens to it: `expect("Hello", match={"last_user": "Hi"}, times=2)`. Without either it is the next
        that nothing else claims. Raises `ExpectationError`, one line.
        """
        registration = dict(more) if reply is None else {"reply": reply, **more}
        self._ask(lambda: self._run.expectations.register(registration))

    @property
    def remaining(self) -> list[dict[str, Any]]:
        """What is expected and was not asked for yet, in the order of registration; empty when all was said."""
        return self._ask(lambda: self._run.expectations.remaining())

    def faults(self, *rules: str | Mapping[str, Any], **figures: Any) -> None:
        """Let requests fail as `rules` say, from now on, and as earlier ones said no more; without any, none fails.

        A rule is what `/_mock/faults` takes (see `FaultRule`), or its kind alone; `figures` are said of all of them:
        `faults("overloaded", attempts=[0])`. Raises `FaultError`, one line.
        """
        tables = [{"kind": rule, **figures} if isinstance(rule, str) else {**rule, **figures} for rule in rules]
        read = read_rules(tables)

        def take() -> None:
            self._run.faults = read

        self._ask(take)

    def reset(self) -> None:
        """Begin again: cold cache, nothing asked, expected or failing, and the luck of the first request once more."""
        self._ask(lambda: self._held.runs.reset(self._held.name))

    def assert_budget(
        self,
        *,
        total_s: float | None = None,
        ttft_s: float | None = None,
        cache_hit_rate: float | None = None,
        calls: int | None = None,
        cost_usd: float | None = None,
        output_tokens: int | None = None,
    ) -> None:
        """Raise an `AssertionError` with a table of all calls unless they kept to every limit that is given.

        `total_s` runs from the first arrival to the last byte that was sent; `ttft_s` holds for each call;
        `cache_hit_rate` is the least share of prompt tokens read from the cache; `calls`, `cost_usd` and
        `output_tokens` are of all calls, a client's retries among them.
        """
        budget = Budget(
            total_s=total_s,
            ttft_s=ttft_s,
            cache_hit_rate=cache_hit_rate,
            calls=calls,
            cost_usd=cost_usd,
            output_tokens=output_tokens,
        )
        __tracebackhide__ = True  # pytest shows the test's own line
        if budget == Budget():
            raise TypeError("assert_budget() holds nothing without a limit; give one, such as total_s=30")
        broken = overrun(self.requests, budget)
        if broken is not None:
            raise AssertionError(broken)

    @property
    def _held(self) -> Place:
        if self._place is None:
            raise NotStartedError("the mock is not running; use it inside its `with` statement")
        return self._place

    @property
    def _run(self) -> Run:
        return self._held.runs.get(self._held.name)

    def _ask(self, work: Callable[[], T]) -> T:
        return self._held.ask(work)


def profile_of(profile: str | Profile) -> Profile:
    """A profile as it is, or by its name or file. Raises `ProfileError`."""
    return profile if isinstance(profile, Profile) else load(profile)[0]
