"""The client port on the SDK: what it sends, and that what it reports is the client's own and not the plan's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import pytest
from profiles_for_tests import make_profile
from server_for_tests import MODEL, Recorder, Served, in_warp

from latlab.client import Call, Exchange
from latlab.conversation import Chat, Tool, ToolResult
from latlab.worlds.sdk_client import SdkClient
from latlab.worlds.transport import NamingTransport
from mockllm.core.connections import SetupCost
from mockllm.core.distributions import Constant
from mockllm.core.identity import CALL_HEADER, Identity
from mockllm.core.passage import Passage
from mockllm.core.reply import Reply, Script, Text, ToolUse
from mockllm.core.usage import Usage
from mockllm.emulator.admission import Emulator

LOOK = Tool("look", "Looks.", {"type": "object"}, Constant(0.2))


class Tapped(httpx2.AsyncBaseTransport):
    """Keeps the requests that pass, and may change what comes back."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


def leaving(emulator: Emulator) -> Callable[[str, Script], Awaitable[None]]:
    async def leave(path: str, script: Script) -> None:
        emulator.scripts[path] = script

    return leave


def send(*calls: Call, at_once: bool = False) -> tuple[list[Exchange], list[httpx2.Request], Recorder]:
    """What came of `calls`, what was sent for them, and the emulator that planned the answers."""

    async def talk(served: Served) -> tuple[list[Exchange], list[httpx2.Request], Recorder]:
        emulator = served.emulator
        assert isinstance(emulator, Recorder)
        inner = httpx2.AsyncHTTPTransport(uds=str(served.socket))
        setup = SetupCost(emulator.profile.connection)
        tapped = Tapped(NamingTransport(inner, served.loop, emulator.draws, setup))
        async with httpx2.AsyncClient(transport=tapped, base_url="http://localhost", timeout=None) as http:
            sdk = anthropic.AsyncAnthropic(api_key="k", base_url="http://localhost", max_retries=0, http_client=http)
            client = SdkClient(sdk, MODEL, served.loop, emulator.counter, leaving(emulator))
            if at_once:
                return list(await asyncio.gather(*map(client.send, calls))), tapped.requests, emulator
            return [await client.send(call) for call in calls], tapped.requests, emulator

    return in_warp(talk)


def chat(*contents: Any, system: Any = "", tools: tuple[Tool, ...] = ()) -> Chat:
    made = Chat("main", system, tools)
    made.user(*(contents or ("Is it late?",)))
    return made


def call(path: str = "main/turn-0", asked: Chat | None = None, script: Script | None = None, **fields: Any) -> Call:
    asked = asked or chat()
    return Call(path, asked, len(asked.turns), 1000, script or Script(20), **fields)


def body(request: httpx2.Request) -> Any:
    return json.loads(request.content)


@pytest.mark.parametrize("stream", [False, True])
def test_stamps_are_those_of_the_answer_as_it_arrived(stream: bool) -> None:
    (exchange,), _, emulator = send(call(stream=stream))
    (answer,) = emulator.answers
    assert exchange.start_us == 0
    assert exchange.connect_us == answer.admitted_us > 0
    assert exchange.opened is True
    assert exchange.headers_us == (answer.first_us if stream else answer.end_us)
    assert exchange.first_us == (answer.first_us if stream else answer.end_us)
    assert exchange.end_us == answer.end_us


@pytest.mark.parametrize("stream", [False, True])
def test_usage_and_reply_are_what_the_sdk_read(stream: bool) -> None:
    script = Script(60, [("look", {"at": "ü"}), ("look", {"at": "b"})])
    asked = chat(Passage("long", 3000), tools=(LOOK,))
    (exchange,), _, emulator = send(call(asked=asked, script=script, stream=stream, breakpoints=("last",)))
    (answer,) = emulator.answers
    assert exchange.usage == answer.usage
    assert exchange.usage.write_5m_tokens > 3000
    assert exchange.reply.tool_uses == answer.reply.tool_uses
    assert (exchange.reply.id, exchange.reply.stop_reason) == (answer.reply.id, "tool_use")
    assert exchange.reply.output_tokens == 60


def test_usage_is_not_taken_from_the_plan() -> None:
    """A server that reports something else than it planned is believed: only the wire counts."""

    class Lying(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            usage = {
                "input_tokens": 1,
                "output_tokens": 2,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 4,
            }
            content = [{"type": "text", "text": "No"}]
            message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": content}
            return httpx2.Response(200, json={**message, "stop_reason": "end_turn", "usage": usage})

    async def talk(served: Served) -> Exchange:
        async with httpx2.AsyncClient(transport=Lying(), base_url="http://localhost") as http:
            sdk = anthropic.AsyncAnthropic(api_key="k", base_url="http://localhost", http_client=http)
            client = SdkClient(sdk, MODEL, served.loop, served.emulator.counter, leaving(served.emulator))
            return await client.send(call())

    exchange = in_warp(talk)
    assert exchange.usage == Usage(1, 3, 4, 0, 2)
    assert exchange.reply == Reply("m", "x", (Text("No"),), 2, "end_turn")


def test_a_conversation_is_sent_as_the_api_writes_it() -> None:
    asked = chat("One", Passage("two", 30), system="Be brief", tools=(LOOK,))
    asked.assistant(
        Reply("m", MODEL, (Text("I look"), ToolUse("toolu_1", "look", {"at": "a"}, '{"at":"a"}')), 9, "tool_use")
    )
    asked.tool_results([ToolResult("toolu_1", "seen", is_error=True)])
    asked.user("This is not sent: the call sends three turns")
    sent = Call("main/turn-1", asked, 3, 77, Script(5))
    _, (request,), _ = send(sent)
    found = body(request)
    assert request.headers[CALL_HEADER] == "main/turn-1"
    assert found["model"] == MODEL
    assert found["max_tokens"] == 77
    assert found["system"] == "Be brief"
    assert found["tools"] == [LOOK.definition()]
    first, second, third = found["messages"]
    assert [part["text"][:6] for part in first["content"]] == ["One", "[two 3"]
    assert second["content"][1] == {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "a"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen", "is_error": True}
    assert third == {"role": "user", "content": [result]}
    assert "cache_control" not in request.content.decode()
    assert set(found) == {"model", "max_tokens", "messages", "system", "tools"}


def test_what_a_chat_lacks_is_not_sent() -> None:
    _, (request,), _ = send(call())
    assert {"system", "tools", "cache_control"}.isdisjoint(body(request))
    assert request.headers["connection"] != "close"


@pytest.mark.parametrize(
    ("fields", "marks"),
    [({"breakpoints": ("system",)}, 1), ({"breakpoints": ("system", "last")}, 2), ({"automatic_cache": True}, 1)],
)
def test_breakpoints_are_sent_where_the_call_has_them(fields: dict[str, Any], marks: int) -> None:
    _, (request,), _ = send(call(asked=chat(system="Be brief"), **fields))
    assert request.content.decode().count("cache_control") == marks
    assert ("cache_control" in body(request)) == ("automatic_cache" in fields)


def test_who_opens_a_connection_pays_for_it() -> None:
    exchanges, _, emulator = send(call("a"), call("b"), call("c", reuse_connection=False), call("d"))
    setup = SetupCost(make_profile().connection)
    # c takes the kept connection and closes it, so that d must open one.
    assert [exchange.opened for exchange in exchanges] == [True, False, False, True]
    for name, exchange in zip("abcd", exchanges, strict=True):
        paid = setup.draw_us(emulator.draws, Identity(name)) if exchange.opened else 0
        assert exchange.connect_us == paid


def test_calls_at_once_keep_their_stamps_apart() -> None:
    together, _, _ = send(*[call(name) for name in "abc"], at_once=True)
    for name, exchange in zip("abc", together, strict=True):
        (alone,), _, _ = send(call(name))
        assert exchange == alone


def test_a_script_is_left_before_its_call_is_sent() -> None:
    (exchange,), _, _ = send(call(script=Script(9, text="As I was told")))
    assert exchange.reply.parts == (Text("As I was told"),)


def test_a_refusal_comes_out_as_the_sdks_error() -> None:
    with pytest.raises(anthropic.BadRequestError):
        send(call("no path!"))
