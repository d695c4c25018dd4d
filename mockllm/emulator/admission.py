"""Admission: one run's mock, asked in process by the sim world and over HTTP by the server.

A request is admitted when nothing else can happen at its instant, in the order of the identities that arrived in it; it
then meets the cache, and its whole answer is planned: what is said, what is counted, and when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from mockllm.core.automatic_cache import AutomaticCache
from mockllm.core.cache_diagnosis import CacheDiagnosis, MissReason
from mockllm.core.clock import Clock
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.limits import RateLimits
from mockllm.core.profile import Profile
from mockllm.core.prompt_cache import PromptCache
from mockllm.core.reply import Reply, Script, compose
from mockllm.core.request import Request, TokenCounter
from mockllm.core.timeline import Flush, Service, Timeline, service_of
from mockllm.core.usage import Usage
from mockllm.emulator.load import Load

__all__ = ["Answer", "Emulator", "Speaker"]

Speaker: TypeAlias = Callable[[Request], Script]
"""Decides what is said to a request for which no script was left."""


class Answer(NamedTuple):
    """A planned answer: what, how much, and when, in whole microseconds of the run's clock.

    `cache_miss` is why the prompt was not read from the cache, where the request asks for that.
    """

    identity: Identity
    reply: Reply
    usage: Usage
    timeline: Timeline
    admitted_us: int
    cache_miss: MissReason | None = None

    @property
    def first_us(self) -> int:
        return self.admitted_us + self.timeline.first_us

    @property
    def end_us(self) -> int:
        return self.admitted_us + self.timeline.end_us


@dataclass(slots=True)
class Emulator:
    """The mock of one run: its cache, its luck and the scripts left for its calls, by call path.

    `warm` starts the run with the tools and system prompts that it marks already cached, as if another run had just
    begun.
    """

    profile: Profile
    draws: Draws
    clock: Clock
    speak: Speaker
    warm: bool = False
    cache: PromptCache = field(init=False)
    automatic: AutomaticCache | None = field(init=False)
    counter: TokenCounter = field(init=False)
    scripts: dict[str, Script] = field(default_factory=dict)
    service: Service = field(init=False)
    diagnosis: CacheDiagnosis = field(default_factory=CacheDiagnosis)
    limits: RateLimits | None = None
    load: Load | None = field(init=False)
    _warmed: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cache = PromptCache(self.profile.cache, self.draws)
        self.service = service_of(self.profile)
        self.counter = self.service.counter
        rule = self.profile.automatic_cache
        self.automatic = AutomaticCache(rule, self.counter) if rule is not None else None
        self.load = Load(self.profile, self.clock) if self.profile.load is not None else None

    async def pass_limits(self, request: Request) -> None:
        """Count `request` against the limits, if there are any, after everyone with a smaller identity at this
        instant. Raises `RateLimitedError`, and counts nothing, where it does not fit."""
        if self.limits is not None:
            await self.clock.settle(request.identity)
            now_us = self.clock.now_us()
            if self.warm:
                self._warm_up(request)
            # Exact already: what is read from the cache does not count, and is known before the answer begins.
            if request.automatic is not None:
                read = self.automatic.meet(request, now_us).use.read_tokens if self.automatic is not None else 0
            else:
                read = self.cache.read(request, now_us, renew=False).read_tokens
            self.limits.admit(request.model, request.workspace, request.total_tokens - read, now_us)

    async def admit(self, request: Request, script: Script | None = None, since_us: int | None = None) -> Answer:
        """Plan the answer to `request` as of this instant, after everyone with a smaller identity in it.

        `script` is said in the place of what was left for its call path. The answer's moments count from `since_us`, if
        the request was there before this instant.
        """
        identity = request.identity
        await self.clock.settle(identity)
        return self.plan(request, script, since_us)

    def plan(self, request: Request, script: Script | None = None, since_us: int | None = None) -> Answer:
        """The answer to a request that is admitted now."""
        now_us = self.clock.now_us()
        identity = request.identity
        total = uncached = request.total_tokens
        read = write_5m = write_1h = 0
        meeting = None
        if self.warm:
            self._warm_up(request)
        if request.automatic is not None and self.automatic is not None:
            meeting = self.automatic.meet(request, now_us)
            read, write_5m, write_1h, uncached = meeting.use
        if request.breakpoints:
            read, write_5m, write_1h, uncached = self.cache.read(request, now_us)
        script = self.scripts.get(identity.path) if script is None else script
        reply = compose(
            self.speak(request) if script is None else script,
            identity,
            request.model,
            request.max_tokens,
            self.counter,
            request.stop_sequences,
            request.thinking,
        )
        timeline = self.service.plan(self.draws, identity, total - read, read, reply.output_tokens)
        if request.breakpoints:
            # An entry can be read from the moment the first response begins (protocol: prompt caching, visibility).
            self.cache.write(request, now_us, now_us + timeline.first_us)
        if meeting is not None and self.automatic is not None:
            self.automatic.keep(meeting, now_us, now_us + timeline.first_us)
        if self.limits is not None and self.limits.are_set:
            first_us, end_us = now_us + timeline.first_us, now_us + timeline.end_us
            self.limits.produce(request.model, request.workspace, reply.output_tokens, first_us, end_us)
        miss = None
        if request.previous_id is not None:
            miss = self.diagnosis.explain(request, read)
            self.diagnosis.remember(request, reply.id, total - uncached)
        usage = Usage(uncached, read, write_5m, write_1h, reply.output_tokens)
        return Answer(identity, reply, usage, timeline, now_us if since_us is None else since_us, miss)

    def _warm_up(self, request: Request) -> None:
        """Have what `request` marks of its tools and system prompt cached, as if another run had just begun."""
        if request.automatic is not None and self.automatic is not None:
            self.automatic.begin_warm(request)
        if not request.breakpoints:
            return
        fixed = tuple(
            [
                mark
                for mark in request.breakpoints
                if request.prefix.blocks[mark.index].level != "messages"
                and request.hash_after(mark.index) not in self._warmed
            ]
        )
        if fixed:
            self._warmed.update([request.hash_after(mark.index) for mark in fixed])
            self.cache.write(replace(request, breakpoints=fixed), 0, 0)

    def flushes(self, answer: Answer) -> list[Flush]:
        """When each part of `answer` reaches the client, in microseconds from its admission."""
        return self.service.flushes(answer.timeline, self.draws, answer.identity)
