"""A user's own agent: its requests are named by what they say, shaped by the toggles that were set, and recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anthropic
import httpx2
import pytest
from profiles_for_tests import make_profile

from latlab.config import BenchmarkConfig
from latlab.worlds.agent_transport import AgentTransport, Traffic
from latlab.worlds.run import Outcome
from latlab.worlds.warp import run_warp_agent
from mockllm.core.clock import Key
from mockllm.core.draws import Draws
from mockllm.core.identity import CALL_HEADER, check_path

MARK = {"type": "ephemeral"}
ASKED: dict[str, Any] = {"model": "test-model", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi ü"}]}
ANSWER = {"content": [{"type": "text", "text": "Yes"}], "usage": {"input_tokens": 3, "output_tokens": 5}}


class StillClock:
    def now_us(self) -> int:
        return 0

    async def sleep_until(self, at_us: int) -> None: ...

    async def settle(self, key: Key) -> None: ...


class Bytes(httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield json.dumps(ANSWER).encode()


class Sent(httpx2.AsyncBaseTransport):
    """Keeps the requests that came through."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[httpx2.Request] = []
        self.status = status

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(self.status, stream=Bytes())

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]

    def names(self) -> list[str]:
        return [request.headers[CALL_HEADER] for request in self.requests]


def send(
    *bodies: Mapping[str, Any], toggles: Mapping[str, Any] | None = None, status: int = 200, url: str = "/v1/messages"
) -> tuple[Sent, Traffic]:
    sent, traffic = Sent(status), Traffic(make_profile().price)

    async def main() -> None:
        transport = AgentTransport(sent, StillClock(), toggles or {}, traffic, "test-model")
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for body in bodies:
                await client.post(url, json=body)

    asyncio.run(main())
    return sent, traffic


def marked(body: Mapping[str, Any]) -> dict[str, Any]:
    text = {"type": "text", "text": "Hi ü", "cache_control": MARK}
    return {**body, "messages": [{"role": "user", "content": [text]}]}


def test_a_request_is_named_by_what_it_says_and_how_often_it_was_said() -> None:
    sent, _ = send(ASKED, {**ASKED, "max_tokens": 51}, ASKED, ASKED)
    names = sent.names()
    assert len(set(names)) == 4
    assert [name.rsplit("-", 1)[1] for name in names] == ["0", "0", "1", "2"]
    assert names[0].rsplit("-", 1)[0] == names[2].rsplit("-", 1)[0] != names[1].rsplit("-", 1)[0]
    for name in names:
        check_path(name)


@pytest.mark.parametrize(
    "other",
    [
        {**ASKED, "stream": True},
        {**ASKED, "cache_control": MARK},
        dict(reversed(ASKED.items())),
        {**ASKED, "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi ü"}]}]},
        marked(ASKED),
    ],
)
def test_how_it_is_asked_is_no_part_of_the_name(other: dict[str, Any]) -> None:
    assert send(ASKED)[0].names() == send(other)[0].names()


def test_what_was_not_toggled_is_left_as_the_agent_has_it() -> None:
    bodies = [{**marked(ASKED), "cache_control": MARK, "stream": False}, {**ASKED, "system": "Be brief"}]
    assert send(*bodies)[0].bodies() == bodies
    assert "connection" not in dict(send(ASKED, toggles={"streaming": True})[0].requests[0].headers) or (
        send(ASKED)[0].requests[0].headers["connection"] != "close"
    )


def test_off_takes_the_agents_own_markers_away() -> None:
    body = {
        **marked(ASKED),
        "cache_control": MARK,
        "system": [{"type": "text", "text": "Be brief", "cache_control": MARK}],
    }
    sent, _ = send(body, toggles={"cache_control": "off"})
    assert "cache_control" not in sent.requests[0].content.decode()


@pytest.mark.parametrize(("placement", "marks"), [("system", 1), ("conversation", 2), ("auto", 1)])
def test_a_placement_replaces_the_agents_own(placement: str, marks: int) -> None:
    body = {**marked(ASKED), "system": "Be brief"}
    content = send(body, toggles={"cache_control": placement})[0].requests[0].content.decode()
    assert content.count("cache_control") == marks


def test_without_reuse_the_agent_asks_for_its_connections_to_be_closed() -> None:
    for reuse, closes in ((False, True), (True, False)):
        sent, _ = send(ASKED, toggles={"connection_reuse": reuse})
        assert (sent.requests[0].headers.get("connection") == "close") == closes


def test_the_length_that_is_sent_is_that_of_the_new_body() -> None:
    request = send(ASKED, toggles={"cache_control": "conversation"})[0].requests[0]
    assert int(request.headers["content-length"]) == len(request.content)
    assert "ü" in request.content.decode()


def test_what_is_not_a_message_passes_untouched() -> None:
    sent, traffic = send(ASKED, url="/v1/other", toggles={"cache_control": "conversation"})
    assert CALL_HEADER not in sent.requests[0].headers
    assert sent.bodies() == [ASKED]
    assert traffic.calls == []


def test_tokens_are_counted_by_the_profiles_model_and_nothing_else_is_changed() -> None:
    other = {**ASKED, "model": "another"}
    sent, traffic = send(other, url="/v1/messages/count_tokens", toggles={"cache_control": "conversation"})
    assert CALL_HEADER not in sent.requests[0].headers
    assert sent.bodies() == [ASKED]
    assert traffic.calls == []


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("body", [[], {"messages": [{"role": "user", "content": [{"text": "no type"}]}]}])
def test_what_cannot_be_read_is_left_to_the_server_to_refuse(path: str, body: Any) -> None:
    sent, traffic = send(body, url=path, toggles={"cache_control": "conversation"}, status=400)
    assert len(sent.requests) == 1
    assert [call.path for call in traffic.calls] == []


def test_an_answer_is_recorded_once_and_a_refusal_not_at_all() -> None:
    _, traffic = send(ASKED, ASKED)
    assert [(call.input_tokens, call.output_tokens, call.cost_nusd) for call in traffic.calls] == [(3, 5, 56_000)] * 2
    assert send(ASKED, status=529)[1].calls == []


# In warp, with the real SDK

TOOL: Any = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}


class Stamped:
    """An agent that takes its own stamps, as a user's SDK code would."""

    def __init__(self, *, stream: bool) -> None:
        self.stream = stream
        self.stamps: list[tuple[int, int, int]] = []
        self.usages: list[tuple[int, int]] = []

    async def __call__(self, client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        loop: Any = asyncio.get_running_loop()
        messages: list[Any] = [{"role": "user", "content": "look " * 3000}]
        while True:
            asked: dict[str, Any] = {"model": "test-model", "max_tokens": 500, "tools": [TOOL], "messages": messages}
            start, first = loop.now_us(), None
            if self.stream:
                async with client.messages.stream(**asked) as stream:
                    async for event in stream:
                        if event.type in ("text", "input_json") or (
                            event.type == "content_block_start" and event.content_block.type == "tool_use"
                        ):
                            first = first or loop.now_us()
                    message = await stream.get_final_message()
            else:
                message = await client.messages.create(**asked)
            end = loop.now_us()
            self.stamps.append((start, (first or end) - start, end - start))
            self.usages.append((message.usage.cache_read_input_tokens or 0, message.usage.output_tokens))
            messages.append({"role": "assistant", "content": message.content})
            uses = [block for block in message.content if block.type == "tool_use"]
            if not uses:
                return
            await asyncio.sleep(0.7)
            messages.append(
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "seen"} for use in uses],
                }
            )


def run(agent: Any, **toggles: Any) -> Outcome:
    outcome = run_warp_agent(agent, make_profile(), BenchmarkConfig(**toggles), Draws(1, 0), toggles=toggles)
    assert outcome.error is None
    assert outcome.run is not None
    return outcome


@pytest.mark.parametrize("stream", [False, True])
def test_recorded_stamps_and_usage_are_those_of_the_agents_own_sdk(stream: bool) -> None:
    agent = Stamped(stream=stream)
    outcome = run(agent, cache_control="conversation")
    calls = sorted(outcome.calls, key=lambda call: call.start_us)
    assert len(calls) == 2
    assert [(call.start_us, call.ttft_us, call.total_us) for call in calls] == agent.stamps
    assert [(call.read_tokens, call.output_tokens) for call in calls] == agent.usages
    assert calls[1].read_tokens > 0
    assert outcome.run is not None
    assert outcome.run.tool_calls == 1
    assert outcome.run.total_us == sum(agent.stamps[1][::2])
    assert outcome.run.perceived_us == agent.stamps[1][0] + agent.stamps[1][1]
    assert [call.streamed for call in calls] == [stream, stream]


def test_arms_share_their_luck_and_reuse_saves_what_connections_cost() -> None:
    shared, own = run(Stamped(stream=True)), run(Stamped(stream=True), connection_reuse=False)
    assert [call.path for call in shared.calls] == [call.path for call in own.calls]
    assert shared.run is not None
    assert own.run is not None
    assert (shared.run.connections_opened, own.run.connections_opened) == (1, 2)
    paid = sum(call.connect_us for call in own.calls) - sum(call.connect_us for call in shared.calls)
    assert own.run.total_us - shared.run.total_us == paid > 0


def test_the_same_agent_measures_the_same_twice() -> None:
    assert run(Stamped(stream=True), cache_control="auto") == run(Stamped(stream=True), cache_control="auto")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("patience_s", [0.01, 0.3, 1.5, 2.0])
def test_an_agent_that_gives_a_call_up_goes_on(stream: bool, patience_s: float) -> None:
    async def impatient(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        asked: Any = {**ASKED, "max_tokens": 500}
        try:
            async with asyncio.timeout(patience_s):
                if stream:
                    async with client.messages.stream(**asked) as answer:
                        async for _ in answer:
                            pass
                else:
                    await client.messages.create(**asked)
        except TimeoutError:
            await client.messages.create(**asked)

    assert run(impatient) == run(impatient)


def test_a_stream_that_the_agent_leaves_early_is_recorded_as_far_as_it_went() -> None:
    async def hasty(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        asked: Any = {**ASKED, "max_tokens": 500}
        async with client.messages.stream(**asked) as stream:
            async for text in stream.text_stream:
                assert text
                break

    outcome = run(hasty)
    (call,) = outcome.calls
    assert call.total_us == call.ttft_us
    assert call.output_tokens == 1
