"""For a user's own agent: names its requests, applies the toggles that work from outside, and records what it sees.

The agent and its SDK stay as they are. A request is named by its content and by how often that content was sent, so the
same agent has the same luck in every arm.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from hashlib import blake2b
from typing import Any

import httpx2

from latlab.client import CallRecord
from latlab.optimizations.cache_control import PLACEMENTS, mark
from latlab.worlds.observer import AnswerObserver
from latlab.worlds.transport import WIRE, Wire
from mockllm.core.clock import Clock
from mockllm.core.identity import CALL_HEADER
from mockllm.core.profile import Price
from mockllm.core.usage import cost_nusd

__all__ = ["AgentTransport", "Traffic"]

_MESSAGES = "/v1/messages"
_COUNT = f"{_MESSAGES}/count_tokens"


class Traffic:
    """What an agent's calls came to so far."""

    def __init__(self, prices: tuple[Price, ...]) -> None:
        self.calls: list[CallRecord] = []
        self.tool_calls = 0
        self.shown_us: int | None = None
        self._prices = prices

    def add(self, path: str, start_us: int, wire: Wire, observer: AnswerObserver, end_us: int, streamed: bool) -> None:
        """Record one answered call that ended at `end_us`."""
        observer.finish(end_us)
        first_us = observer.first_us
        assert first_us is not None
        self.tool_calls += observer.tool_uses
        if not observer.tool_uses:
            self.shown_us = first_us
        usage = observer.usage
        self.calls.append(
            CallRecord(
                path,
                0,
                start_us,
                wire.connect_us,
                wire.headers_us - start_us,
                first_us - start_us,
                end_us - start_us,
                *usage,
                wire.opened,
                streamed,
                cost_nusd(usage, self._prices),
            )
        )


class AgentTransport(httpx2.AsyncBaseTransport):
    """Wraps `inner` for one agent; `toggles` holds those that were set, by name, and nothing else is touched."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        clock: Clock,
        toggles: Mapping[str, Any],
        traffic: Traffic,
        model: str,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._toggles = toggles
        self._model = model
        self._traffic = traffic
        self._seen: dict[str, int] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST" and request.url.path.endswith(_COUNT):
            return await self._inner.handle_async_request(await self._for_our_model(request))
        if request.method != "POST" or not request.url.path.endswith(_MESSAGES):
            return await self._inner.handle_async_request(request)
        start_us = self._clock.now_us()
        try:
            body = json.loads(await request.aread())
            path = self._name(body)
            shaped = self._shaped(request, body, path)
        except (AttributeError, KeyError, TypeError, ValueError):
            return await self._inner.handle_async_request(request)  # no Messages request: the server says what is wrong
        wire = Wire()
        WIRE.set(wire)
        response = await self._inner.handle_async_request(shaped)
        if response.status_code == httpx2.codes.OK:
            streamed = bool(body.get("stream"))
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Observed(response.stream, self._clock, streamed, self._traffic, path, start_us, wire)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _for_our_model(self, request: httpx2.Request) -> httpx2.Request:
        """A question that is no call of the model, and so has no name and no toggles."""
        try:
            body = {**json.loads(await request.aread()), "model": self._model}
        except (TypeError, ValueError):
            return request
        return _with_body(request, request.headers.copy(), body)

    def _name(self, body: dict[str, Any]) -> str:
        bare = mark({key: value for key, value in body.items() if key != "stream"}, PLACEMENTS["off"])
        text = json.dumps(bare, sort_keys=True, separators=(",", ":"))
        content = blake2b(text.encode(), digest_size=8).hexdigest()
        again = self._seen.get(content, 0)
        self._seen[content] = again + 1
        return f"agent/{content}-{again}"

    def _shaped(self, request: httpx2.Request, body: dict[str, Any], path: str) -> httpx2.Request:
        if "cache_control" in self._toggles:
            body = mark(body, PLACEMENTS[self._toggles["cache_control"]])
        body["model"] = self._model  # the profile says which model answers, whichever the agent was written for
        headers = request.headers.copy()
        headers[CALL_HEADER] = path
        if self._toggles.get("connection_reuse") is False:
            headers["connection"] = "close"
        return _with_body(request, headers, body)


def _with_body(request: httpx2.Request, headers: httpx2.Headers, body: Mapping[str, Any]) -> httpx2.Request:
    del headers["content-length"]
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return httpx2.Request(
        request.method, request.url, headers=headers, content=content, extensions=dict(request.extensions)
    )


class _Observed(httpx2.AsyncByteStream):
    """The answer's bytes, handed on as they come."""

    def __init__(
        self,
        inner: httpx2.AsyncByteStream,
        clock: Clock,
        streamed: bool,
        traffic: Traffic,
        path: str,
        start_us: int,
        wire: Wire,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._observer: AnswerObserver | None = AnswerObserver(streamed=streamed)
        self._streamed = streamed
        self._traffic = traffic
        self._path = path
        self._start_us = start_us
        self._wire = wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            if self._observer is not None:
                self._observer.feed(chunk, self._clock.now_us())
            yield chunk
        self._end()

    async def aclose(self) -> None:
        self._end()
        await self._inner.aclose()

    def _end(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            end_us = self._clock.now_us()
            self._traffic.add(self._path, self._start_us, self._wire, observer, end_us, self._streamed)
