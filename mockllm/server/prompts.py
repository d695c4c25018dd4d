"""The way of a prompt through the server, whichever protocol it came by: read, set up, fail on purpose, admit, send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from mockllm.core.expectations import Expectation
from mockllm.core.faults import REFUSALS, FaultRule, Spoiled, pick_fault, spoil, spoil_whole
from mockllm.core.limits import RateLimitedError
from mockllm.core.reply import Script
from mockllm.core.request import Request
from mockllm.emulator.admission import Answer
from mockllm.emulator.load import Load, OverloadedError, Place
from mockllm.emulator.pace import Fixed, Pace
from mockllm.protocols.anthropic_errors import USUAL_MESSAGES, ApiError
from mockllm.protocols.limit_headers import too_many
from mockllm.server.delivery import StoppingError, WaitingHeaders, send
from mockllm.server.endpoint import Asked, Endpoint, Logged, Service
from mockllm.server.expecting import take_expected
from mockllm.server.request_log import Entry
from mockllm.server.routes import Handler, body_of, json_bytes
from mockllm.server.runs import Run
from mockllm.server.together import Together

__all__ = ["answering"]


def answering(service: Service) -> Callable[[Endpoint], Handler]:
    """What makes the handler of an endpoint. Prompts that are there together share their steps, whatever endpoint they
    came to. A handler raises `ApiError` for a refusal, which its caller writes in the protocol's form."""
    together = Together(_Prompt.read, _Prompt.plan, _Prompt.write)

    def at(endpoint: Endpoint) -> Handler:
        async def answer(http: web.Request, run: Run) -> web.StreamResponse:
            raw = await body_of(http)
            with Logged(http, run, endpoint.name, service, raw) as entry:
                prompt = _Prompt(http, run, endpoint, service, entry, raw)
                try:
                    await together.through(prompt)
                    response = await prompt.answered()
                except ApiError as error:
                    raise prompt.refused(error) from None
                entry.status = response.status
            return response

        return answer

    return at


def _stopping() -> ApiError:
    return ApiError(529, "Overloaded: the server is shutting down")


@dataclass(slots=True)
class _Prompt:
    """One prompt on its way, and whatever it meets.

    `ready_us` is when its connection is set up, if that is a new one; `expected` is what a test registered for it; the
    plan, and what is written of the answer before its time, are there once they are made.
    """

    http: web.Request
    run: Run
    endpoint: Endpoint
    service: Service
    entry: Entry
    raw: bytes
    asked: Asked | None = None
    ready_us: int | None = None
    expected: Expectation | None = None
    answer: Answer | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def read(self) -> None:
        """Find out what is asked."""
        asked = self.asked = self.endpoint.read(self.run, self.http.headers, self.raw)
        request, entry = asked.request, self.entry
        entry.identity, entry.model, entry.stream = request.identity, request.model, request.stream

    def plan(self) -> None:
        """Plan the answer, if there is nothing that it has to wait for first."""
        run, service, arrived_us, request = self.run, self.service, self.entry.arrived_us, self.request
        emulator = run.emulator
        if service.set_up is not None:
            self.ready_us = service.set_up.due_us(self.http, emulator, request.identity, arrived_us)
        limited = emulator.limits is not None and emulator.limits.are_set
        waits = limited or self.ready_us is not None or emulator.load is not None or emulator.clock.ties
        if waits or run.faults:
            return
        if run.expectations:
            self.expected = take_expected(request, run)
        if self.expected is None or self.expected.fault is None:
            self._keep(emulator.plan(request, self._script(), arrived_us))

    def write(self) -> None:
        """Write down what can be written before its time: the headers, and the body of an answer that is no stream."""
        asked, answer = self.asked, self.answer
        if asked is None or answer is None:
            return
        self.headers = {
            **self.endpoint.headers(answer.identity),
            **asked.headers(answer),
            **_standing(self.endpoint, self.run, self.http.headers, asked, answer.admitted_us),
        }
        if not asked.request.stream:
            self.body = json_bytes(asked.whole(answer))

    @property
    def request(self) -> Request:
        """What is asked, once that is known."""
        assert self.asked is not None
        return self.asked.request

    def refused(self, error: ApiError) -> ApiError:
        """`error` as its protocol has it, with the headers that tell how far the limits are used."""
        refusal = self.endpoint.refused(error)
        now_us = self.run.emulator.clock.now_us()
        standing = _standing(self.endpoint, self.run, self.http.headers, self.asked, now_us)
        refusal.headers = {**standing, **refusal.headers}
        return refusal

    async def answered(self) -> web.StreamResponse:
        """The response, sent or ready to be."""
        entry, emulator, request = self.entry, self.run.emulator, self.request
        if self.answer is not None:
            return await self._sent(self.answer, None, Fixed(emulator.clock, self.answer.admitted_us))
        since_us = entry.arrived_us
        if self.ready_us is not None:
            since_us = self.ready_us
            await self._until(Fixed(emulator.clock, 0).reach(since_us))
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

    async def _place(self, load: Load) -> Place:
        """A slot of the machine that requests share, once there is one. Who gives up waiting leaves nothing behind."""
        try:
            place = await load.arrive(self.request.identity)
        except OverloadedError as error:
            raise ApiError(529, f"Overloaded: {error}") from None
        try:
            await self.service.deliveries.until(place.granted)
        except StoppingError:
            place.leave()
            raise _stopping() from None
        except BaseException:
            place.leave()
            raise
        return place

    async def _admitted(self, rule: FaultRule | None, since_us: int, place: Place | None) -> web.StreamResponse:
        """Plan the answer as of `since_us`, and send it: at its own pace, or at that of its `place`."""
        emulator, request = self.run.emulator, self.request
        if self.expected is None and self.run.expectations:
            # At one instant the first by name takes its turn first. What was registered is taken by requests that get
            # an answer, so that a retry finds what is left.
            await emulator.clock.settle(request.identity)
            self.expected = take_expected(request, self.run)
        if self.expected is not None and self.expected.fault is not None:
            rule = self.expected.fault
            await self._befall(rule)
        # The plan counts from the arrival: what the server took to read the request is no part of what it emulates.
        answer = self._keep(await emulator.admit(request, self._script(), since_us))
        self.write()
        pace: Pace = Fixed(emulator.clock, answer.admitted_us)
        if place is not None:
            place.begin(answer.timeline.end_us)
            pace = place
        return await self._sent(answer, rule, pace)

    def _sent(self, answer: Answer, rule: FaultRule | None, pace: Pace) -> Awaitable[web.StreamResponse]:
        whole = rule is None and not self.entry.stream
        return self._whole(answer, pace) if whole else self._in_parts(answer, rule, pace)

    def _script(self) -> Script | None:
        return self.expected.script() if self.expected is not None else None

    def _keep(self, answer: Answer) -> Answer:
        """`answer` as it was planned, but for the stop reason that a test registered."""
        reason = self.expected.stop_reason if self.expected is not None else None
        if reason is not None:
            answer = answer._replace(reply=answer.reply._replace(stop_reason=reason, stop_sequence=None))
        self.answer = answer
        self.entry.planned(answer)
        return answer

    async def _befall(self, rule: FaultRule | None) -> None:
        """Let `rule` happen, if there is one: what refuses is raised here, what spoils the answer comes with it."""
        if rule is None:
            return
        self.entry.fault = rule.kind
        if rule.kind in REFUSALS or (rule.kind == "error_event" and not self.request.stream):
            clock = self.run.emulator.clock
            await self._until(Fixed(clock, clock.now_us()).reach(rule.wait_us))
            status = REFUSALS.get(rule.kind, 500)
            wait_s = 1 if rule.retry_after_s is None else rule.retry_after_s
            headers = {"retry-after": str(wait_s)} if status == 429 else {}
            raise ApiError(status, USUAL_MESSAGES[status], headers)

    async def _until(self, due: Awaitable[None] | None) -> None:
        try:
            await self.service.deliveries.until(due)
        except StoppingError:
            raise _stopping() from None

    async def _whole(self, answer: Answer, pace: Pace) -> web.Response:
        due = pace.reach(answer.timeline.end_us)
        if due is not None or self.service.deliveries.stopping:
            await self._until(due)
        self.entry.first_us = self.entry.end_us = self.run.emulator.clock.now_us()
        return web.Response(body=self.body, headers=self.headers, content_type="application/json")

    async def _in_parts(self, answer: Answer, rule: FaultRule | None, pace: Pace) -> web.StreamResponse:
        """A stream, or a whole answer that a fault takes apart."""
        emulator, timeline, body = self.run.emulator, answer.timeline, self.body
        assert self.asked is not None
        leads = self.request.stream and emulator.service.headers_lead_us and (rule is None or rule.kind != "slow_start")
        headers_us = emulator.service.headers_us(timeline) if leads else None
        response = (WaitingHeaders if headers_us is None else web.StreamResponse)(headers=self.headers)
        last_words = b""
        if self.request.stream:
            spoiled = Spoiled(self.asked.events(answer, emulator.flushes(answer)))
            last_words = self.endpoint.failed(_stopping())
            if rule is not None:
                spoiled = spoil(rule, list(spoiled.writes), self.endpoint.failed(ApiError(529, USUAL_MESSAGES[529])))
            response.content_type, response.charset = "text/event-stream", "utf-8"
            response.headers["cache-control"] = "no-cache"
        else:
            assert rule is not None
            spoiled = spoil_whole(rule, [(timeline.end_us, body)])
            response.content_type = "application/json"
            # A body that is cut says how long it should have been.
            response.content_length = len(body) if spoiled.cut else sum(len(data) for _, data in spoiled.writes)
        if rule is not None and rule.kind == "wrong_content_type":
            response.content_type, response.charset = "text/html", "utf-8"
        deliveries, clock = self.service.deliveries, emulator.clock
        return await send(self.http, response, spoiled, pace, clock, deliveries, self.entry, last_words, headers_us)


def _standing(
    endpoint: Endpoint, run: Run, headers: Mapping[str, str], asked: Asked | None, now_us: int
) -> Mapping[str, str]:
    """The headers that tell the client where it stands with its limits at `now_us`, if it has any.

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
    return endpoint.standing(limits.standings(model, workspace, now_us), limits.unix_s(now_us))
