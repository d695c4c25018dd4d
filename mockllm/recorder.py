"""The recorder: a proxy that passes everything on to an API, and writes down what came back and when.

It changes nothing on the way: chunks go through as they come. The key in a request goes to the upstream and nowhere
else; what is written down has been through `mockllm.core.redaction`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

from mockllm import MockLLMError
from mockllm.clock.instants import RealClock
from mockllm.core.identity import CALL_HEADER
from mockllm.core.recording import Chunk, Exchange, RecordingError, read_recording, write_line
from mockllm.server.addresses import is_loopback, listen
from mockllm.server.application import build_runner

__all__ = ["OutFile", "RecorderError", "Upstream", "build_recorder", "check_upstream", "record", "record_command"]

_MOST_BODY_BYTES = 256 << 20  # the largest that any API takes: a batch (protocol: error table)
# These belong to one connection and are made anew for the other. Answers are asked for as they are, so that what is
# written down can be searched.
_OF_A_CONNECTION = {
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    CALL_HEADER,
}
_CONNECT_S = 30.0
_NO_BODY = {204, 304}


class RecorderError(MockLLMError):
    """A recording that cannot be made."""


class OutFile:
    """The file that exchanges are appended to, each by one write of a whole line; only its owner can read it."""

    def __init__(self, path: Path) -> None:
        """Raises `RecorderError` for a file that cannot be written, or that holds something else."""
        self.path = path
        self.kept = 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            held = path.read_bytes()
            if held.strip():
                read_recording(held.splitlines(), path.name)
            if held and not held.endswith(b"\n"):
                os.write(self._file, b"\n")
        except OSError as error:
            raise RecorderError(f"--out {path}: cannot be written: {error.strerror}; choose another file") from None
        except RecordingError as error:
            raise RecorderError(f"--out {path}: is there and holds something else: {error}") from None

    def keep(self, exchange: Exchange) -> None:
        """Append `exchange`, without what identifies anyone."""
        line = write_line(exchange)
        try:
            whole = os.write(self._file, line) == len(line)
        except OSError as error:
            _say(f"not recorded: {error.strerror}")
        else:
            self.kept += whole
            if not whole:
                _say(f"{self.path}: its last line was cut short, for want of room; take it out")

    def close(self) -> None:
        os.close(self._file)


def check_upstream(url: str, *, allow_remote: bool) -> str:
    """`url` without a last slash; raises `RecorderError` for what is none, or is on another machine unless wanted."""
    try:
        parsed = URL(url)
        usable = parsed.scheme in ("http", "https") and bool(parsed.host) and parsed.port is not None
    except ValueError:
        usable = False
    if not usable or parsed.query_string or parsed.fragment or parsed.user or parsed.password:
        raise RecorderError(
            "--upstream: give the base URL of the API alone, such as http://127.0.0.1:8787; the key comes with the "
            "requests"
        )
    if not allow_remote and not is_loopback(parsed.host or ""):
        raise RecorderError(
            f"--upstream {url}: is another machine, which would be sent every request and its key; add "
            "--allow-remote-upstream if that is what you want"
        )
    return str(parsed).rstrip("/")


@dataclass(frozen=True, slots=True)
class Upstream:
    """An API at the base URL `url`, and how to reach it; `now_us` is the clock that chunks are timed by."""

    url: str
    session: ClientSession
    now_us: Callable[[], int]


def build_recorder(upstream: Upstream, keep: Callable[[Exchange], None]) -> web.Application:
    """The proxy in front of `upstream`; each exchange is handed to `keep` when it has ended, one that was cut too."""

    async def handle(http: web.Request) -> web.StreamResponse:
        return await _pass_on(http, upstream, keep)

    app = web.Application(client_max_size=_MOST_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def _pass_on(http: web.Request, upstream: Upstream, keep: Callable[[Exchange], None]) -> web.StreamResponse:
    if not http.raw_path.startswith("/"):
        return _refusal(400, "only paths are passed on, no whole URLs")
    body = await http.read()
    started_us = upstream.now_us()
    headers = [*_passed(http.headers), ("Accept-Encoding", "identity")]
    response: web.StreamResponse | None = None
    try:
        async with upstream.session.request(
            http.method,
            # Whatever the path holds, it stands after the upstream's own address.
            URL(upstream.url + http.raw_path, encoded=True),
            headers=headers,
            data=BytesIO(body) if body else None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
        ) as answer:
            headers_us = upstream.now_us() - started_us
            response = _begun(http, answer)
            chunks: list[Chunk] = []
            cut = True
            try:
                await response.prepare(http)
                async for data, _ in answer.content.iter_chunks():
                    if data:
                        chunks.append(Chunk(upstream.now_us() - started_us, data))
                        await response.write(data)
                cut = False
                await response.write_eof()
            finally:
                if _is_readable(http.headers) and _is_readable(answer.headers):
                    sent, received = tuple(http.headers.items()), tuple(answer.headers.items())
                    end_us = upstream.now_us() - started_us
                    asked = (http.method, http.raw_path, sent, body)
                    keep(Exchange(*asked, answer.status, received, headers_us, tuple(chunks), end_us, cut))
                else:
                    _say(f"not recorded: {http.method} {http.path} is compressed, so it cannot be searched for keys")
    except (ClientError, TimeoutError, ConnectionResetError) as error:
        if response is None:
            return _refusal(502, f"the upstream cannot be reached: {error}")
        if http.transport is not None:
            http.transport.close()  # what was cut on one side is cut on the other
    return response


def _begun(http: web.Request, answer: ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    response.headers.extend(_passed(answer.headers))
    length = answer.headers.get("content-length")
    if length is not None:
        response.content_length = int(length)
    elif http.method != "HEAD" and answer.status not in _NO_BODY:
        response.enable_chunked_encoding()
    return response


def _passed(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    named = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    return [(name, value) for name, value in headers.items() if name.lower() not in _OF_A_CONNECTION | named]


def _is_readable(headers: Mapping[str, str]) -> bool:
    return headers.get("content-encoding", "identity").strip().lower() in ("", "identity")


def _refusal(status: int, message: str) -> web.Response:
    body = {"type": "error", "error": {"type": "api_error", "message": f"mockllm record: {message}"}}
    return web.json_response(body, status=status)


def record_command(upstream: str, out: Path, *, port: int, allow_remote: bool) -> None:
    """What `mockllm record` does: one line of JSON on standard output when ready, then service until it is stopped."""
    url = check_upstream(upstream, allow_remote=allow_remote)
    file = OutFile(out)

    def announce(own: str) -> None:
        sys.stdout.write(json.dumps({"url": own, "upstream": url, "out": str(out)}) + "\n")
        sys.stdout.flush()

    try:
        asyncio.run(record(url, file.keep, port=port, ready=announce))
    finally:
        file.close()
        if file.kept:
            _say(f"{file.kept} recorded in {out}; to answer from it: mockllm serve --replay {shlex.quote(str(out))}")
        else:
            _say(f"nothing was recorded in {out}")


async def record(url: str, keep: Callable[[Exchange], None], *, port: int, ready: Callable[[str], None]) -> None:
    """Record what goes to `url` at a local `port` (0: any free one) until SIGINT or SIGTERM.

    `ready` is called with the proxy's own URL once connections are accepted. Raises `AddressError` where that fails.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopped.set)
    # No time-out for an answer, and no proxy from the environment.
    patient = ClientTimeout(total=None, sock_connect=_CONNECT_S)
    async with ClientSession(timeout=patient, auto_decompress=False, connector=TCPConnector(limit=0)) as session:
        runner = build_runner(build_recorder(Upstream(url, session, RealClock(loop).now_us), keep))
        await runner.setup()
        try:
            ready(await listen(runner, "127.0.0.1", port))
            await stopped.wait()
        finally:
            await runner.cleanup()


def _say(line: str) -> None:
    sys.stderr.write(f"mockllm: {line}\n")
