"""The server on a virtual loop with the real SDK before it, for tests that talk as a client does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from aiohttp import web
from anthropic import AsyncAnthropic
from anthropic._base_client import get_platform
from profiles_for_tests import make_profile

from mockllm.clock.instants import RealClock
from mockllm.clock.warp_loop import WarpLoop
from mockllm.core.clock import Clock
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile
from mockllm.core.replay import Replay
from mockllm.core.reply import Script
from mockllm.core.request import Request
from mockllm.emulator.admission import Answer, Emulator
from mockllm.server.application import build_app, build_runner
from mockllm.server.runs import Runs

__all__ = ["MODEL", "Recorder", "Served", "in_real_time", "in_warp", "letters"]

T = TypeVar("T")
MODEL = "test-model"
_PLATFORM = get_platform()  # the SDK asks for it in a thread of its own, which a virtual loop cannot see


@dataclass
class Served:
    """A server whose runs share one emulator: the SDK, a plain HTTP client, and the emulator that both reach."""

    sdk: AsyncAnthropic
    http: httpx2.AsyncClient
    emulator: Emulator
    loop: WarpLoop
    socket: Path
    runs: Runs
    stop: Callable[[], Awaitable[None]]

    async def create(self, **fields: Any) -> Any:
        """`messages.create` with a model, a limit and a question unless `fields` say otherwise."""
        return await self.sdk.messages.create(**{**_asked(), **fields})

    def stream(self, **fields: Any) -> Any:
        return self.sdk.messages.stream(**{**_asked(), **fields})


class Recorder(Emulator):
    """An emulator that keeps the answers that it planned."""

    answers: list[Answer]

    def plan(self, request: Request, script: Script | None = None, since_us: int | None = None) -> Answer:
        answer = super().plan(request, script, since_us)
        self.answers.append(answer)
        return answer


def _asked() -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": "Is it late?"}]}


def letters(tokens: int, letter: str = "a") -> str:
    """A text of exactly `tokens` tokens under the test profile's rule."""
    return letter * (4 * tokens)


def in_warp(
    talk: Callable[[Served], Awaitable[T]],
    *,
    profile: Profile | None = None,
    speak: Callable[[Request], Script] = lambda _: Script(20),
    connection_setup: bool = False,
    seed: int = 1,
    replay: Callable[[], Replay] | None = None,
) -> T:
    """What `talk` returns, run to its end in virtual time on a loop, a server and a client of its own."""
    loop = WarpLoop()
    try:
        serving = _serve(talk, loop, profile or make_profile(), speak, connection_setup, seed, replay)
        return loop.run_until_complete(serving)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def in_real_time(
    talk: Callable[[Served], Awaitable[T]], *, speak: Callable[[Request], Script] = lambda _: Script(20)
) -> T:
    """The same on an ordinary loop, whose requests are planned together; time runs a thousand times as fast."""

    async def main() -> T:
        loop: Any = asyncio.get_running_loop()
        return await _serve(talk, loop, make_profile(), speak, False, 1, None, RealClock(loop, 1000.0))

    return asyncio.run(main())


async def _serve(
    talk: Callable[[Served], Awaitable[T]],
    loop: WarpLoop,
    profile: Profile,
    speak: Callable[[Request], Script],
    connection_setup: bool,
    seed: int,
    replay: Callable[[], Replay] | None,
    clock: Clock | None = None,
) -> T:
    emulator = Recorder(profile, Draws(seed, 0), clock or loop, speak)
    emulator.answers = []
    runs = Runs(lambda _: emulator, replay=replay)
    runner = build_runner(build_app(runs, connection_setup=connection_setup), shutdown_timeout_s=2.0)
    await runner.setup()
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "mock"
        await web.UnixSite(runner, str(socket), backlog=4096).start()
        try:
            async with (
                httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=str(socket)), timeout=None) as plain,
                httpx2.AsyncClient(base_url="http://localhost", transport=plain._transport, timeout=None) as http,
            ):
                sdk = AsyncAnthropic(api_key="key", base_url="http://localhost", max_retries=0, http_client=plain)
                sdk._platform = _PLATFORM
                return await talk(Served(sdk, http, emulator, loop, socket, runs, runner.cleanup))
        finally:
            await runner.cleanup()
