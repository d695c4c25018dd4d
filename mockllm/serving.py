"""A server of its own: one emulator in real time behind an address, until it is stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from ipaddress import ip_address

from aiohttp import web

from mockllm import MockLLMError
from mockllm.clock.instants import RealClock
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile
from mockllm.core.speaker import DefaultSpeaker
from mockllm.emulator.admission import Emulator
from mockllm.profiles import load
from mockllm.server.application import build_app, build_runner

__all__ = ["AddressError", "check_host", "serve", "serve_command"]


class AddressError(MockLLMError):
    """An address that cannot, or should not, be listened on."""


class ProviderError(MockLLMError):
    """A profile whose provider's protocol the server does not speak."""


def serve_command(profile: str, *, host: str, port: int, seed: int, allow_remote: bool) -> None:
    """What `mockllm serve` does: one line of JSON on standard output when ready, then service until it is stopped."""
    check_host(host, allow_remote=allow_remote)
    loaded, _ = load(profile)
    if loaded.provider != "anthropic":
        raise ProviderError(
            f"--profile {profile}: is of the provider {loaded.provider}, whose protocol is not spoken yet; "
            "give a profile of an anthropic model"
        )

    def announce(url: str) -> None:
        sys.stdout.write(json.dumps({"url": url, "profile": loaded.name}) + "\n")
        sys.stdout.flush()

    asyncio.run(serve(loaded, host=host, port=port, seed=seed, ready=announce))


def check_host(host: str, *, allow_remote: bool) -> str:
    """`host` itself where only this machine can reach it; raises `AddressError` for another, unless that is wanted."""
    if not allow_remote and host != "localhost":
        try:
            loopback = ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise AddressError(
                f"--host {host}: other machines could reach it, and the mock takes any key; use 127.0.0.1, or add "
                "--allow-remote"
            )
    return host


async def serve(profile: Profile, *, host: str, port: int, seed: int, ready: Callable[[str], None]) -> None:
    """Serve `profile` at `host` and `port` (0: any free one) until SIGINT or SIGTERM.

    `ready` is called with the URL once connections are accepted. Raises `AddressError` where that fails.
    """
    loop = asyncio.get_running_loop()
    draws = Draws(seed, 0)
    emulator = Emulator(profile, draws, RealClock(loop), DefaultSpeaker(draws))
    runner = build_runner(build_app(emulator, connection_setup=True))
    stopped = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopped.set)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AddressError(
                f"cannot listen on {host} port {port}: {reason}; choose another with --host or --port"
            ) from None
        ready(_url(runner.addresses[0]))
        await stopped.wait()
    finally:
        await runner.cleanup()


def _url(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
