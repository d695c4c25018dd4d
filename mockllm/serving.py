"""A server of its own: a profile in real time behind an address, until it is stopped."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mockllm import MockLLMError
from mockllm.clock.instants import RealClock
from mockllm.clock.paced_loop import PacedLoop
from mockllm.core.faults import FaultRule, faults_of
from mockllm.core.limits import Limits, RateLimits, limits_of
from mockllm.core.profile import Profile
from mockllm.core.recording import RecordingError, read_recording
from mockllm.core.replay import Recording, Replay, Timing, by_question
from mockllm.profiles import load
from mockllm.server.addresses import AddressError, is_loopback, listen
from mockllm.server.application import build_app, build_runner
from mockllm.server.request_log import Entry
from mockllm.server.runs import Run, Runs, emulating
from mockllm.server.tls import certificate

__all__ = ["AddressError", "Serving", "check_host", "serve", "serve_command"]

_requests = logging.getLogger("mockllm.requests")
_LAST_WORDS_S = 2.0


class InputError(MockLLMError):
    """Options that do not go together, or a standard input whose end cannot be waited for."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How a profile is served. Time runs `speed` times as fast, lives of cache entries too; idle connections are closed
    after `keepalive_s` of that time; with `any_model` the profile answers whatever model is named. A `recording`
    is said in the place of all that, with its own timing or the profile's. With `until_stdin_ends` the server ends with
    whoever holds the other end of its standard input, however that one ends."""

    profile: Profile
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    speed: float = 1.0
    keepalive_s: float = 3630.0
    any_model: bool = False
    faults: tuple[FaultRule, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None
    recording: Recording | None = None
    replay_timing: Timing = "recorded"
    until_stdin_ends: bool = False
    any_host: bool = False


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
    limits: list[str],
    tls: bool,
    log_requests: bool,
    replay: Path | None,
    replay_timing: Timing,
    until_stdin_ends: bool,
) -> None:
    """What `mockllm serve` does: one line of JSON on standard output when ready, then service until it is stopped."""
    check_host(host, allow_remote=allow_remote)
    loaded, _ = load(profile)
    rules, kept = faults_of(faults), limits_of(limits)
    if replay is not None and (faults or limits):
        raise InputError("--replay: a recording is said as it is, without --fault and --limit; leave those out")
    if replay is None and replay_timing != "recorded":
        raise InputError("--replay-timing: there is nothing to replay; name a recording with --replay")
    recording = None if replay is None else _recording(replay)
    if log_requests:
        _requests.addHandler(logging.StreamHandler(sys.stderr))
        _requests.setLevel(logging.INFO)
    with ExitStack() as stack:
        context, ready = None, {"profile": loaded.name}
        if tls:
            context, authority = certificate(host, "localhost")
            trusted = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mockllm-"))) / "ca.pem"
            trusted.write_bytes(authority)
            ready["ca"] = str(trusted)
        if replay is not None:
            ready["replay"] = str(replay)

        def announce(url: str) -> None:
            sys.stdout.write(json.dumps({"url": url, **ready}) + "\n")
            sys.stdout.flush()

        asked = Serving(
            loaded,
            host,
            port,
            seed,
            speed,
            keepalive_s,
            any_model,
            rules,
            kept,
            context,
            recording,
            replay_timing,
            until_stdin_ends,
            allow_remote,
        )
        stack.enter_context(_sparing_the_collector())
        with asyncio.Runner(loop_factory=PacedLoop) as runner:  # for its timers, which are never a millisecond late
            runner.run(serve(asked, ready=announce))


@contextmanager
def _sparing_the_collector() -> Iterator[None]:
    """The log holds on to something of every request, and each pass of the garbage collector looks through all that is
    new since the last: with Python's own thresholds that took a sixth of a busy server's time, and a pass over
    everything held the streams up for a tenth of a second. What is loaded by now is not looked at again."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _recording(path: Path) -> Recording:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RecordingError(
            f"--replay {path}: cannot be read: {error.strerror}; make one with `mockllm record`"
        ) from None
    return by_question(read_recording(lines, path.name))


def check_host(host: str, *, allow_remote: bool) -> str:
    """`host` itself where only this machine can reach it; raises `AddressError` for another, unless that is wanted."""
    if not allow_remote and not is_loopback(host):
        raise AddressError(
            f"--host {host}: other machines could reach it, and the mock takes any key; use 127.0.0.1, or add "
            "--allow-remote"
        )
    return host


def real_runs(asked: Serving, loop: asyncio.AbstractEventLoop) -> Runs:
    """The runs of a server in real time; each has a clock of its own, which begins when it does."""
    make = emulating(
        asked.profile,
        asked.seed,
        lambda: RealClock(loop, asked.speed),
        lambda: RateLimits(asked.limits, time.time(), asked.speed),
    )
    recording, timing = asked.recording, asked.replay_timing
    replay = None if recording is None else lambda: Replay(recording, timing)
    return Runs(make, any_model=asked.any_model, faults=asked.faults, replay=replay)


async def serve(asked: Serving, *, ready: Callable[[str], None]) -> None:
    """Serve as `asked` (port 0: any free one) until SIGINT or SIGTERM, or the end of standard input where that counts.

    `ready` is called with the URL once connections are accepted. Raises `AddressError` where that fails.
    """
    loop = asyncio.get_running_loop()

    def facts() -> dict[str, Any]:
        return {"speed": asked.speed, "any_model": asked.any_model, "tls": asked.tls is not None}

    app = build_app(
        real_runs(asked, loop), connection_setup=True, facts=facts, observe=_log_request, any_host=asked.any_host
    )
    runner = build_runner(app, keepalive_s=asked.keepalive_s / asked.speed, shutdown_timeout_s=_LAST_WORDS_S)
    stopped = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopped.set)
    if asked.until_stdin_ends:
        try:
            loop.add_reader(sys.stdin, _stop_at_the_end_of_stdin, stopped)
        except (OSError, ValueError):
            raise InputError("--until-stdin-ends: standard input is no pipe, so it never ends; give it one") from None
    await runner.setup()
    try:
        ready(await listen(runner, asked.host, asked.port, asked.tls))
        await stopped.wait()
    finally:
        await runner.cleanup()


def _stop_at_the_end_of_stdin(stopped: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        stopped.set()


def _log_request(run: Run, entry: Entry) -> None:
    if _requests.isEnabledFor(logging.INFO):
        _requests.info("%s", json.dumps({"run": run.spec.name, **entry.facts()}))
