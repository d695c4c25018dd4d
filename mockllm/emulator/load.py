"""The coupled stage of self-hosted models: slots, the queue before them, and decoding that all streams share.

A request waits for one of `slots`, a SimPy resource, first come first served. What is in a slot advances along its own
plan, prefill and decoding alike, as if it were alone, until the streams together would say more tokens a second than
the machine can; from there on all advance at the one speed that the machine has left for them (processor sharing).
SimPy's clock follows the run's: it stands wherever somebody last looked, and what was due before happens first, at its
own microsecond, so a server that wakes late does not make its slots late.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush

import simpy
from simpy.events import Event

from mockllm import MockLLMError
from mockllm.core.clock import Clock
from mockllm.core.identity import Identity
from mockllm.core.profile import Profile

__all__ = ["Load", "OverloadedError", "Place"]

_PARTS = 1_000_000
"""Progress is counted in millionths of a planned microsecond, so that it is whole however many share."""


class OverloadedError(MockLLMError):
    """Every slot is taken, and as many wait as may."""


class Place:
    """One request's place, in the queue until `granted` is done and in a slot from then on; a `Pace` once it began.

    It is over at the end of its plan, or where `leave` gives it up before.
    """

    __slots__ = ("_begun_at", "_end_us", "_identity", "_load", "claim", "granted", "over_at_us")

    def __init__(self, load: Load, identity: Identity, claim: simpy.resources.resource.Request) -> None:
        self.claim = claim
        self.over_at_us: int | None = None
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load = load
        self._identity = identity
        self._begun_at = 0
        self._end_us = 0

    def begin(self, end_us: int) -> None:
        """Start upon a plan whose last moment is `end_us`, when the slot is free again."""
        self._begun_at = self._load.progress()
        self._end_us = end_us
        self._load.at(self._begun_at + end_us * _PARTS, self._identity).callbacks.append(
            lambda _: self._load.free(self)
        )

    def reach(self, at_us: int) -> asyncio.Future[None]:
        """Done when this answer has come to `at_us` of its plan. What lies beyond the plan's end, such as what a fault
        holds up, comes as much later than that end: the machine has no more work with it, and the slot is free."""
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        beyond_us = max(0, at_us - self._end_us)

        def arrive(_: Event) -> None:
            if self.over_at_us is not None and beyond_us:
                self._load.later(self.over_at_us + beyond_us, reached)
            else:
                _finish(reached)

        self._load.at(self._begun_at + (at_us - beyond_us) * _PARTS, self._identity).callbacks.append(arrive)
        self._load.follow()
        return reached

    def leave(self) -> None:
        """Give up the place or the slot now, such as where the client is gone; nothing where it is over."""
        self._load.progress()
        self._load.free(self)
        self._load.follow()


class Load:
    """The slots of one run and those who wait for them, by the profile's table `load`."""

    __slots__ = (
        "_bell",
        "_clock",
        "_due",
        "_env",
        "_progress",
        "_queue_most",
        "_rings_at",
        "_serial",
        "_since_us",
        "_slots",
        "_speeds",
        "_wake",
        "_wakes_at",
    )

    def __init__(self, profile: Profile, clock: Clock) -> None:
        """Raises `ValueError` for a profile without the table."""
        rule = profile.load
        if rule is None:
            raise ValueError(f"the profile {profile.name} has no table [load]")
        slots = max(1, round(rule.slots.value))
        share = rule.total_tokens_per_s.value / profile.decode.tokens_per_s.value  # streams at their full speed
        self._clock = clock
        self._env = simpy.Environment(initial_time=0)
        self._slots = simpy.Resource(self._env, slots)
        self._queue_most = round(rule.queue_most.value)
        self._speeds = [_PARTS, *(max(1, round(_PARTS * min(1.0, share / n))) for n in range(1, slots + 1))]
        self._progress = 0  # of any stream that was in a slot from the beginning, in parts
        self._since_us = 0
        self._serial = 0
        self._due: list[tuple[int, Identity, int, Event]] = []
        self._bell: Event | None = None
        self._rings_at: int | None = None
        self._wakes_at: int | None = None
        self._wake: asyncio.Task[None] | None = None

    @property
    def active(self) -> int:
        """How many are in a slot."""
        return self._slots.count

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._slots.queue)

    async def arrive(self, identity: Identity) -> Place:
        """A place for `identity`, in the order of the identities that arrive at this instant; whoever gets it awaits
        `granted`, begins, and leaves in the end. Raises `OverloadedError` where the queue is full."""
        await self._clock.settle(identity)
        self.progress()
        if self.active >= self._slots.capacity and self.waiting >= self._queue_most:
            raise OverloadedError(f"all {self._slots.capacity} slots are taken, and {self.waiting} requests wait")
        place = Place(self, identity, self._slots.request())
        assert place.claim.callbacks is not None
        place.claim.callbacks.append(lambda _: _finish(place.granted))
        self.follow()
        return place

    def free(self, place: Place) -> None:
        """Take back what `place` holds at SimPy's own instant."""
        if place.over_at_us is not None:
            return
        self._integrate()
        place.over_at_us = self._since_us
        if place.claim.triggered:
            self._slots.release(place.claim)
        else:
            place.claim.cancel()
        self._set_bell()

    def at(self, target: int, identity: Identity) -> Event:
        """The event of the progress `target`; those of one progress happen in the order of identities."""
        event = self._env.event()
        self._serial += 1
        heappush(self._due, (target, identity, self._serial, event))
        self._set_bell()
        return event

    def later(self, at_us: int, reached: asyncio.Future[None]) -> None:
        """Finish `reached` at `at_us` of the run's clock, whatever the progress."""
        wait = self._env.timeout(max(0, at_us - int(self._env.now)))
        wait.callbacks.append(lambda _: _finish(reached))

    def progress(self) -> int:
        """Let everything happen that is due by now; the progress of this instant."""
        now_us = self._clock.now_us()
        env = self._env
        while env.peek() <= now_us:
            env.step()
        if env.now < now_us:
            env.run(until=now_us)
        self._integrate()
        return self._progress

    def follow(self) -> None:
        """See to it that somebody looks when the next thing is due."""
        self.progress()
        due_us = self._env.peek()
        if due_us == float("inf") or (self._wakes_at is not None and self._wakes_at <= due_us):
            return  # a wake that is too early looks again
        if self._wake is not None:
            self._wake.cancel()
        self._wakes_at = int(due_us)
        self._wake = asyncio.get_running_loop().create_task(self._look_at(self._wakes_at))

    async def _look_at(self, at_us: int) -> None:
        await self._clock.sleep_until(at_us)
        self._wake = self._wakes_at = None
        self.follow()

    def _integrate(self) -> None:
        # Called before anything changes how many share, so that this was their number since the last time.
        now_us = int(self._env.now)
        self._progress += (now_us - self._since_us) * self._speeds[self.active]
        self._since_us = now_us

    def _set_bell(self) -> None:
        """Ring when the first of those due has come; where the speed changes, a bell too early looks again."""
        if not self._due:
            return
        self._integrate()
        missing = max(0, self._due[0][0] - self._progress)
        rings_at = self._since_us + -(-missing // self._speeds[self.active])
        if self._rings_at is not None and self._rings_at <= rings_at:
            return
        self._rings_at = rings_at
        self._bell = self._env.timeout(rings_at - self._since_us)
        self._bell.callbacks.append(self._ring)

    def _ring(self, bell: Event) -> None:
        if bell is not self._bell:
            return  # an earlier one was set since
        self._rings_at = None
        self._integrate()
        while self._due and self._due[0][0] <= self._progress:
            heappop(self._due)[3].succeed()
        self._set_bell()


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
