"""A server of its own: a profile in real time behind an address, until it is stopped."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import ssl
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp import web

from mockllm import MockLLMError
from mockllm.clock.instants import RealClock
from mockllm.core.draws import Draws
from mockllm.core.faults import FaultRule, faults_of
from mockllm.core.profile import Profile
from mockllm.core.speaker import DefaultSpeaker
from mockllm.emulator.admission import Emulator
from mockllm.profiles import load
from mockllm.server.application import build_app, build_runner
from mockllm.server.request_log import Entry
from mockllm.server.runs import Run, Runs, RunSpec
from mockllm.server.tls import certificate

__all__ = ["AddressError", "Serving", "check_host", "serve", "serve_command"]

_requests = logging.getLogger("mockllm.requests")
_LAST_WORDS_S = 2.0


class AddressError(MockLLMError):
    """An address that cannot, or should not, be listened on."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How a profile is served. Time runs `speed` times as fast, lives of cache entries too; idle connections are closed
    after `keepalive_s` of that time; with `any_model` the profile answers whatever model is named."""

    profile: Profile
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    speed: float = 1.0
    keepalive_s: float = 3630.0
    any_model: bool = False
    faults: tuple[FaultRule, ...] = ()
    tls: ssl.SSLContext | None = None


def serve_command(
    profile: str,
    *,
    host: str,
    port: int,
    seed: int,
    allow_remote: bool,
    speed: float,
    keepalive_s: float,
    any_model: bool,
    faults: list[str],
    tls: bool,
    log_requests: bool,
) -> None:
    """What `mockllm serve` does: one line of JSON on standard output when ready, then service until it is stopped."""
    check_host(host, allow_remote=allow_remote)
    loaded, _ = load(profile)
    rules = faults_of(faults)
    if log_requests:
        _requests.addHandler(logging.StreamHandler(sys.stderr))
        _requests.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="mockllm-") as folder:
        context, ready = None, {"profile": loaded.name}
        if tls:
            context, authority = certificate(host, "localhost")
            trusted = Path(folder) / "ca.pem"
            trusted.write_bytes(authority)
            ready["ca"] = str(trusted)

        def announce(url: str) -> None:
            sys.stdout.write(json.dumps({"url": url, **ready}) + "\n")
            sys.stdout.flush()

        asked = Serving(loaded, host, port, seed, speed, keepalive_s, any_model, rules, context)
        asyncio.run(serve(asked, ready=announce))


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


def real_runs(asked: Serving, loop: asyncio.AbstractEventLoop) -> Runs:
    """The runs of a server in real time; each has a clock of its own, which begins when it does."""

    def make(spec: RunSpec) -> Emulator:
        draws = Draws(asked.seed if spec.seed is None else spec.seed, spec.run, spec.plausible)
        profile = asked.profile.plausible(draws.seed, spec.plausible) if spec.plausible else asked.profile
        clock = RealClock(loop, asked.speed)
        return Emulator(profile, draws, clock, DefaultSpeaker(draws), warm=spec.cache_start == "warm")

    return Runs(make, any_model=asked.any_model, faults=asked.faults)


async def serve(asked: Serving, *, ready: Callable[[str], None]) -> None:
    """Serve as `asked` (port 0: any free one) until SIGINT or SIGTERM.

    `ready` is called with the URL once connections are accepted. Raises `AddressError` where that fails.
    """
    loop = asyncio.get_running_loop()

    def facts() -> dict[str, Any]:
        return {"speed": asked.speed, "any_model": asked.any_model, "tls": asked.tls is not None}

    app = build_app(real_runs(asked, loop), connection_setup=True, facts=facts, observe=_log_request)
    runner = build_runner(app, keepalive_s=asked.keepalive_s / asked.speed, shutdown_timeout_s=_LAST_WORDS_S)
    stopped = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopped.set)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, asked.host, asked.port, ssl_context=asked.tls).start()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AddressError(
                f"cannot listen on {asked.host} port {asked.port}: {reason}; choose another with --host or --port"
            ) from None
        ready(_url(runner.addresses[0], "http" if asked.tls is None else "https"))
        await stopped.wait()
    finally:
        await runner.cleanup()


def _log_request(run: Run, entry: Entry) -> None:
    if _requests.isEnabledFor(logging.INFO):
        _requests.info("%s", json.dumps({"run": run.spec.name, **entry.facts()}))


def _url(address: tuple[str, int], scheme: str) -> str:
    host, port = address[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
