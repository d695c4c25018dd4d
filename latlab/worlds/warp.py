"""The warp world: the real SDK against the real server over a Unix socket, in one process, on a clock that jumps.

Each run has its own loop, server, client and pool, and begins at time 0. Whatever in the client's stack reads a clock
or draws at random is given the loop's clock and the run's seed.
"""

from __future__ import annotations

import asyncio
import tempfile
from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import anthropic
import httpx2
from aiohttp import web

from latlab.config import BenchmarkConfig
from latlab.lab import Lab
from latlab.worlds.agent_transport import AgentTransport, Traffic
from latlab.worlds.run import Outcome, Scenario, WorldError, failure, live, record_run
from latlab.worlds.sdk_client import SdkClient
from latlab.worlds.sdk_stack import limits_of, sdk_on
from latlab.worlds.transport import NamingTransport
from mockllm.clock.client_stack import client_stack_in
from mockllm.clock.warp_loop import WarpLoop
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile
from mockllm.core.reply import Script
from mockllm.core.speaker import DefaultSpeaker
from mockllm.emulator.admission import Emulator
from mockllm.server.application import build_app, build_runner, runs_of

__all__ = ["Agent", "run_warp", "run_warp_agent"]

Agent: TypeAlias = Callable[[anthropic.AsyncAnthropic, BenchmarkConfig], Awaitable[object]]

_ORIGIN = "http://localhost"  # named, never resolved: every connection goes to the run's own socket
_FOREVER_S = 1e6  # the profile alone says when an idle connection ends, and that at the client


def run_warp(scenario: Scenario, profile: Profile, config: BenchmarkConfig, draws: Draws) -> Outcome:
    """One run of a scenario through the SDK."""

    async def run(loop: WarpLoop) -> Outcome:
        emulator = _emulator(profile, config, draws, loop)

        async def leave(path: str, script: Script) -> None:
            emulator.scripts[path] = script

        async with _served(emulator) as transport, sdk_on(transport, _ORIGIN, max_retries=0) as sdk:
            client = SdkClient(sdk, profile.model, loop, emulator.counter, leave)
            lab = Lab(config, client, loop, draws, emulator.counter, profile.price, profile.max_output_tokens)
            total_us = await live(scenario, lab)
            return record_run(total_us, lab.shown_us, lab.tool_runs, lab.calls)

    return _in_virtual_time(run, draws)


def run_warp_agent(
    agent: Agent, profile: Profile, config: BenchmarkConfig, draws: Draws, *, toggles: Collection[str] = ()
) -> Outcome:
    """One run of a user's own agent, which is handed an `AsyncAnthropic` and left as it is.

    `toggles` names those that the user set; the others are as the agent has them.
    """

    async def run(loop: WarpLoop) -> Outcome:
        emulator = _emulator(profile, config, draws, loop)
        traffic = Traffic(profile.price)
        async with _served(emulator) as transport:
            shaped = {name: getattr(config, name) for name in toggles}
            watched = AgentTransport(transport, loop, shaped, traffic, profile.model)
            async with sdk_on(watched, _ORIGIN, max_retries=anthropic.DEFAULT_MAX_RETRIES) as sdk:
                await agent(sdk, config)
                return record_run(loop.now_us(), traffic.shown_us, traffic.tool_calls, traffic.calls)

    return _in_virtual_time(run, draws)


def _emulator(profile: Profile, config: BenchmarkConfig, draws: Draws, loop: WarpLoop) -> Emulator:
    return Emulator(profile, draws, loop, DefaultSpeaker(draws), warm=config.cache_start == "warm")


def _in_virtual_time(run: Callable[[WarpLoop], Awaitable[Outcome]], draws: Draws) -> Outcome:
    loop = WarpLoop()

    async def main() -> Outcome:
        return await run(loop)

    # The SDK's backoff and a user's agent draw from `random`; a run gives them a stream of its own.
    luck = draws.uniforms("random", "")[0]
    with client_stack_in(loop, luck), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(main())
        except (MemoryError, WorldError):
            raise
        except (Exception, CancelledError, SystemExit) as error:  # whatever a scenario raises is its run's outcome
            return failure(error)


def _socket_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="latlab-")
    except OSError as error:
        raise WorldError(f"no temporary folder for the mock's socket: {error}; set TMPDIR to a writable one") from None


@asynccontextmanager
async def _served(emulator: Emulator) -> AsyncIterator[NamingTransport]:
    """The mock on a socket of its own, and the transport that reaches it."""
    with _socket_folder() as folder:
        path = str(Path(folder) / "mock")
        app = build_runner(build_app(runs_of(emulator), connection_setup=False), keepalive_s=_FOREVER_S)
        await app.setup()
        try:
            try:
                await web.UnixSite(app, path, backlog=4096).start()
            except OSError as error:
                raise WorldError(
                    f"{folder}: the mock's socket cannot be made there: {error}; set TMPDIR to a short, writable folder"
                ) from None
            limits = limits_of(emulator.profile)
            inner = httpx2.AsyncHTTPTransport(uds=path, verify=False, limits=limits)  # no TLS here
            loop = asyncio.get_running_loop()
            assert isinstance(loop, WarpLoop)
            async with NamingTransport(inner, loop, emulator.draws, emulator.service.setup) as transport:
                yield transport
        finally:
            await app.cleanup()
