"""The wire world: real time, or so many times faster, and real HTTP to a mock in a process of its own.

Each run has a run of its own on that server: its luck, cache and clock. Time on this side passes as fast as on that
one, on a loop whose every wait is as much shorter, so figures are in the profile's seconds whatever the speed; what the
two processes take for themselves counts `speed` times.

A server cannot reach into its client, so it delays the first answer of a new connection by the set-up that sim and
warp see in `connect_s`. Here `connect_s` is the loopback's own, and `headers_s`, `ttft_s` and `total_s` hold the
set-up: those are what equals sim's.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anthropic
import httpx2

from latlab.client import Client
from latlab.config import BenchmarkConfig
from latlab.lab import Lab
from latlab.worlds.agent_transport import AgentTransport, Traffic
from latlab.worlds.heartbeat import Heartbeat
from latlab.worlds.mock_control import RunControl, opened_run
from latlab.worlds.mock_process import MockProcess
from latlab.worlds.raw_client import RawClient
from latlab.worlds.run import Outcome, Scenario, WorldError, failure, live, record_run
from latlab.worlds.sdk_client import SdkClient
from latlab.worlds.sdk_stack import limits_of, sdk_on
from latlab.worlds.served import ServedCall, served_call
from latlab.worlds.sim import run_sim
from latlab.worlds.warp import Agent
from latlab.worlds.wire_transport import StampedClient, WireTransport, hand_overs_stamped
from mockllm.clock.client_stack import seeded, the_loops_clock
from mockllm.clock.instants import RealClock
from mockllm.clock.paced_loop import PacedLoop
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile
from mockllm.core.reply import Script
from mockllm.core.request import TokenCounter

__all__ = ["run_wire", "run_wire_agent"]


def run_wire(
    server: MockProcess, scenario: Scenario, profile: Profile, config: BenchmarkConfig, draws: Draws, *, sdk: bool
) -> Outcome:
    """One run of a scenario in real time, through the SDK or by the raw reader.

    It is rehearsed in sim, which tells what the mock will have to say: left there ahead, that costs the run no time.
    """
    scripts: dict[str, Script] = {}
    with seeded(_luck(draws)):
        run_sim(scenario, profile, config, draws, scripts=scripts)
    counter = TokenCounter(profile.tokens)
    if sdk:
        _warm_up(server, profile)

    async def run(control: RunControl, clock: RealClock) -> Outcome:
        await control.leave_ahead(scripts)
        async with _client(control, clock, profile, counter, sdk=sdk) as (client, sdk_us):
            lab = Lab(config, client, clock, draws, counter, profile.price, profile.max_output_tokens)
            clock.restart()
            heart = Heartbeat(server.speed)
            total_us = await live(scenario, lab)
            load = heart.stop()
        outcome = record_run(total_us, lab.shown_us, lab.tool_runs, lab.calls)
        return outcome._replace(served=await _served(control, sdk_us), load=load)

    return _in_real_time(run, server, config, draws)


def run_wire_agent(
    server: MockProcess,
    agent: Agent,
    profile: Profile,
    config: BenchmarkConfig,
    draws: Draws,
    *,
    toggles: Collection[str] = (),
) -> Outcome:
    """One run of a user's own agent, which is handed an `AsyncAnthropic` and left as it is; otherwise as in warp."""
    _warm_up(server, profile)

    async def run(control: RunControl, clock: RealClock) -> Outcome:
        traffic = Traffic(profile.price)
        shaped = {name: getattr(config, name) for name in toggles}
        stamped = WireTransport(httpx2.AsyncHTTPTransport(limits=limits_of(profile)), clock)
        watched = AgentTransport(stamped, clock, shaped, traffic, profile.model)
        url, retries = control.address.url, anthropic.DEFAULT_MAX_RETRIES
        async with sdk_on(watched, url, max_retries=retries) as client:
            with hand_overs_stamped(clock):
                clock.restart()
                heart = Heartbeat(server.speed)
                await agent(client, config)
                total_us = clock.now_us()
                load = heart.stop()
        outcome = record_run(total_us, traffic.shown_us, traffic.tool_calls, traffic.calls)
        return outcome._replace(served=await _served(control, stamped.sdk_us), load=load)

    return _in_real_time(run, server, config, draws)


def _luck(draws: Draws) -> float:
    """What the SDK's backoff and a user's agent draw from, as in warp."""
    return draws.uniforms("random", "")[0]


def _warm_up(server: MockProcess, profile: Profile) -> None:
    """Let the SDK make once what it makes at its first calls, a quarter of a second's work, before any is measured."""
    if server.is_warmed_up:
        return
    asked: Any = {"model": profile.model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]}

    async def warm_up(control: RunControl, _: RealClock) -> Outcome:
        async with sdk_on(httpx2.AsyncHTTPTransport(), control.address.url, max_retries=0) as client:
            await client.messages.create(**asked)
            async with client.messages.stream(**asked) as stream:
                await stream.get_final_message()
        return Outcome(None, (), None)

    outcome = _in_real_time(warm_up, server, BenchmarkConfig(), Draws(0, 0))
    if outcome.error is not None:
        raise WorldError(f"the mock cannot be reached: {outcome.error}")
    server.is_warmed_up = True


_SdkUs: TypeAlias = Callable[[str], int | None]


@asynccontextmanager
async def _client(
    control: RunControl, clock: RealClock, profile: Profile, counter: TokenCounter, *, sdk: bool
) -> AsyncIterator[tuple[Client, _SdkUs]]:
    """The client of a run, and by how much later than it came the SDK hands over what a call shows first."""
    if not sdk:
        expiry_s = profile.connection.idle_expiry_s.value
        raw = RawClient(control.address, profile.model, clock, counter, control.leave, expiry_s)
        try:
            yield raw, lambda _: None
        finally:
            raw.close()
        return
    stamped = WireTransport(httpx2.AsyncHTTPTransport(limits=limits_of(profile)), clock)
    async with sdk_on(stamped, control.address.url, max_retries=0) as client:
        with hand_overs_stamped(clock):
            yield StampedClient(SdkClient(client, profile.model, clock, counter, control.leave)), stamped.sdk_us


async def _served(control: RunControl, sdk_us: _SdkUs) -> tuple[ServedCall, ...]:
    """The server's account of the run, in the order of call paths."""
    calls = [served_call(facts, sdk_us(facts["call"] or "")) for facts in await control.requests()]
    return tuple(sorted([call for call in calls if call is not None]))


def _in_real_time(
    run: Callable[[RunControl, RealClock], Awaitable[Outcome]],
    server: MockProcess,
    config: BenchmarkConfig,
    draws: Draws,
) -> Outcome:
    async def main() -> Outcome:
        name, clock = server.run_name(), RealClock(asyncio.get_running_loop())
        async with opened_run(server.address(name), name, config, draws, clock) as control:
            return await run(control, clock)

    loop = PacedLoop(server.speed)
    with the_loops_clock(loop), seeded(_luck(draws)), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(main())
        except (MemoryError, WorldError):
            raise
        except (Exception, CancelledError, SystemExit) as error:  # whatever a scenario raises is its run's outcome
            if server.has_ended:
                raise WorldError("the mock's process has ended by itself; repeat the command to go on") from error
            return failure(error)
