"""The way of a prompt through the server, whichever protocol it came by: read, set up, fail on purpose, admit, send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from mockllm.core.expectations import Expectation
from mockllm.core.faults import REFUSALS, FaultRule, Spoiled, pick_fault, spoil, spoil_whole
from mockllm.core.limits import RateLimitedError
from mockllm.emulator.admission import Answer
from mockllm.emulator.load import Load, OverloadedError, Place
from mockllm.emulator.pace import Fixed, Pace
from mockllm.protocols.anthropic_errors import USUAL_MESSAGES, ApiError
from mockllm.protocols.limit_headers import too_many
from mockllm.server.delivery import StoppingError, send
from mockllm.server.endpoint import Asked, Endpoint, Service, logged
from mockllm.server.expecting import take_expected, told
from mockllm.server.request_log import Entry
from mockllm.server.routes import json_bytes
from mockllm.server.runs import Run
from mockllm.server.set_up import SetUp

__all__ = ["serve_prompt"]

_STOPPING = ApiError(529, "Overloaded: the server is shutting down")


async def serve_prompt(http: web.Request, run: Run, endpoint: Endpoint, service: Service) -> web.StreamResponse:
    """Answer one request. Raises `ApiError` for a refusal, which the caller writes in the protocol's form."""
    raw = await http.read()
    with logged(http, run, endpoint.name, service, raw) as entry:
        asked = None
        try:
            asked = endpoint.read(run, http.headers, raw)
            response = await _Prompt(http, run, endpoint, service, entry, asked).answered()
        except ApiError as error:
            refusal = endpoint.refused(error)
            refusal.headers = {**_standing(endpoint, run, http.headers, asked), **refusal.headers}
            raise refusal from None
        entry.status = response.status
    return response


@dataclass(slots=True)
class _Prompt:
    """One prompt on its way, and whatever it meets."""

    http: web.Request
    run: Run
    endpoint: Endpoint
    service: Service
    entry: Entry
    asked: Asked

    async def answered(self) -> web.StreamResponse:
        entry, emulator, request = self.entry, self.run.emulator, self.asked.request
        entry.identity, entry.model, entry.stream = request.identity, request.model, request.stream
        since_us = entry.arrived_us if self.service.set_up is None else await self._set_up(self.service.set_up)
        rule = None
        if self.run.faults:
            rule = pick_fault(self.run.faults, emulator.draws, request.identity)
            await self._befall(rule)
        if emulator.limits is not None and emulator.limits.are_set:
            try:
                await emulator.pass_limits(request)
            except RateLimitedError as error:
                raise too_many(error, request.model, {}) from None
        if emulator.load is None:
            return await self._admitted(rule, since_us, None)
        place = await self._place(emulator.load)
        entry.shared = True
        try:
            return await self._admitted(rule, emulator.clock.now_us(), place)
        finally:
            place.leave()

    async def _set_up(self, set_up: SetUp) -> int:
        """Since when the request has been there: its arrival, or the end of its connection's set-up."""
        ready_us = set_up.due_us(self.http, self.run.emulator, self.asked.request.identity, self.entry.arrived_us)
        if ready_us is None:
            return self.entry.arrived_us
        await self._reach(Fixed(self.run.emulator.clock, 0), ready_us)
        return ready_us

    async def _place(self, load: Load) -> Place:
        """A slot of the machine that requests share, once there is one. Who gives up waiting leaves nothing behind."""
        try:
            place = await load.arrive(self.asked.request.identity)
        except OverloadedError as error:
            raise ApiError(529, f"Overloaded: {error}") from None
        try:
            await self.service.deliveries.until(place.granted)
        except StoppingError:
            place.leave()
            raise _STOPPING from None
        except BaseException:
            place.leave()
            raise
        return place

    async def _admitted(self, rule: FaultRule | None, since_us: int, place: Place | None) -> web.StreamResponse:
        """Plan the answer as of `since_us`, and send it: at its own pace, or at that of its `place`."""
        entry, run, request = self.entry, self.run, self.asked.request
        # What was registered is taken by requests that get an answer, so that a retry finds what is left.
        expected = await take_expected(request, run) if run.expectations else None
        if expected is not None and expected.error is not None:
            raise told(expected.error)
        if expected is not None and expected.fault is not None:
            rule = expected.fault
            await self._befall(rule)
        answer = entry.plan = await self._planned(since_us, expected)
        pace: Pace = Fixed(run.emulator.clock, answer.admitted_us)
        if place is not None:
            place.begin(answer.timeline.end_us)
            pace = place
        headers = {
            **self.endpoint.headers(request.identity),
            **self.asked.headers(answer),
            **_standing(self.endpoint, run, self.http.headers, self.asked),
        }
        if rule is None and not request.stream:
            return await self._whole(answer, pace, headers)
        return await self._in_parts(answer, rule, pace, headers)

    async def _planned(self, since_us: int, expected: Expectation | None) -> Answer:
        # The plan counts from the arrival: what the server took to read the request is no part of what it emulates.
        script = expected.script() if expected is not None else None
        answer = await self.run.emulator.admit(self.asked.request, script, since_us)
        if expected is not None and expected.stop_reason is not None:
            answer = answer._replace(reply=answer.reply._replace(stop_reason=expected.stop_reason, stop_sequence=None))
        return answer

    async def _befall(self, rule: FaultRule | None) -> None:
        """Let `rule` happen, if there is one: what refuses is raised here, what spoils the answer comes with it."""
        if rule is None:
            return
        self.entry.fault = rule.kind
        if rule.kind in REFUSALS or (rule.kind == "error_event" and not self.asked.request.stream):
            clock = self.run.emulator.clock
            await self._reach(Fixed(clock, clock.now_us()), rule.wait_us)
            status = REFUSALS.get(rule.kind, 500)
            wait_s = 1 if rule.retry_after_s is None else rule.retry_after_s
            headers = {"retry-after": str(wait_s)} if status == 429 else {}
            raise ApiError(status, USUAL_MESSAGES[status], headers)

    async def _reach(self, pace: Pace, at_us: int) -> None:
        try:
            await self.service.deliveries.until(pace.reach(at_us))
        except StoppingError:
            raise _STOPPING from None

    async def _whole(self, answer: Answer, pace: Pace, headers: dict[str, str]) -> web.Response:
        body = json_bytes(self.asked.whole(answer))
        await self._reach(pace, answer.timeline.end_us)
        self.entry.first_us = self.entry.end_us = self.run.emulator.clock.now_us()
        return web.Response(body=body, headers=headers, content_type="application/json")

    async def _in_parts(
        self, answer: Answer, rule: FaultRule | None, pace: Pace, headers: dict[str, str]
    ) -> web.StreamResponse:
        """A stream, or a whole answer that a fault takes apart."""
        emulator, timeline = self.run.emulator, answer.timeline
        response = web.StreamResponse(headers=headers)
        last_words, headers_us = b"", None
        if self.asked.request.stream:
            spoiled = Spoiled(self.asked.events(answer, emulator.flushes(answer)))
            last_words = self.endpoint.failed(_STOPPING)
            if emulator.service.headers_lead_us and (rule is None or rule.kind != "slow_start"):
                headers_us = emulator.service.headers_us(timeline)
            if rule is not None:
                spoiled = spoil(rule, list(spoiled.writes), self.endpoint.failed(ApiError(529, USUAL_MESSAGES[529])))
            response.content_type, response.charset = "text/event-stream", "utf-8"
            response.headers["cache-control"] = "no-cache"
            response.enable_chunked_encoding()
        else:
            assert rule is not None
            body = json_bytes(self.asked.whole(answer))
            spoiled = spoil_whole(rule, [(timeline.end_us, body)])
            response.content_type = "application/json"
            # A body that is cut says how long it should have been.
            response.content_length = len(body) if spoiled.cut else sum(len(data) for _, data in spoiled.writes)
        if rule is not None and rule.kind == "wrong_content_type":
            response.content_type, response.charset = "text/html", "utf-8"
        deliveries, clock = self.service.deliveries, emulator.clock
        return await send(self.http, response, spoiled, pace, clock, deliveries, self.entry, last_words, headers_us)


def _standing(endpoint: Endpoint, run: Run, headers: Mapping[str, str], asked: Asked | None) -> Mapping[str, str]:
    """The headers that tell the client where it stands with its limits, if it has any.

    Of what could not be read it is known who sent it, and the profile's model is taken for the one that was meant;
    whoever shows no credential has no limits either.
    """
    emulator, limits = run.emulator, run.emulator.limits
    if limits is None:
        return {}
    if asked is not None:
        model, workspace = asked.request.model, asked.request.workspace
    else:
        try:
            model, workspace = emulator.profile.model, endpoint.workspace(run, headers)
        except ApiError:
            return {}
    now_us = emulator.clock.now_us()
    return endpoint.standing(limits.standings(model, workspace, now_us), limits.unix_s(now_us))
