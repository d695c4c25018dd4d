"""Ten thousand requests, valid, mutated and hostile: each gets a right answer or a right refusal, and nothing grows.

They are made by a generator of their own with a fixed seed, so that a failure names its request by a number.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from server_for_tests import MODEL, Served, in_warp

from mockllm.core.draws import Draws
from mockllm.core.speaker import DefaultSpeaker

COUNT = 10_000
AT_ONCE = 50
VALUES: list[Any] = [
    None, True, -1, 0, 1.5, 10**400, 1e308, "", "x", "\x00", "\ud800", "é" * 50, [], [[]], {}, {"type": "text"},
    {"type": "ephemeral"}, [{"type": "image", "source": None}], {"type": "ephemeral", "ttl": "1h"}, "user",
]  # fmt: skip
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "array"}}, "required": ["city"]}


def chosen(luck: random.Random, *options: Any) -> Any:
    return luck.choice(options)


def text(luck: random.Random) -> str:
    return "".join(luck.choices('abc äß\n"\\{}[]\u2028\U0001f600', k=luck.randrange(200)))


def valid(luck: random.Random) -> dict[str, Any]:
    """A body that the API takes, of the fields that it knows."""
    marker = {"cache_control": {"type": "ephemeral"}}
    block = {"type": "text", "text": "q" + text(luck)}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": chosen(luck, "Is it late?", [block], [{**block, **marker}])}
    ]
    fields: dict[str, Any] = {"model": MODEL, "max_tokens": luck.randrange(1, 3000), "messages": turns}
    if luck.random() < 0.5:
        fields["stream"] = luck.random() < 0.8
    if luck.random() < 0.4:
        fields["tools"] = [{"name": f"tool_{n}", "input_schema": SCHEMA} for n in range(luck.randrange(1, 4))]
        if luck.random() < 0.5:
            turns.append(
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "toolu_1", "name": "tool_0", "input": {"city": text(luck)}}],
                }
            )
            result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": chosen(luck, text(luck), [block])}
            turns.append({"role": "user", "content": [result]})
    if luck.random() < 0.3:
        fields["system"] = chosen(luck, text(luck), [{**block, **marker}])
    if luck.random() < 0.1:
        fields["thinking"] = {"type": "adaptive"}
    if luck.random() < 0.1:
        fields["stop_sequences"] = ["q", "the"]
    if luck.random() < 0.1:
        fields["metadata"] = {"user_id": text(luck)}
    return fields


def chat(luck: random.Random) -> dict[str, Any]:
    """The same for OpenAI's chat completions."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": chosen(luck, "Is it late?", text(luck))}]
    fields: dict[str, Any] = {"model": MODEL, "max_tokens": luck.randrange(1, 3000), "messages": turns}
    if luck.random() < 0.5:
        fields |= {"stream": luck.random() < 0.8, "stream_options": chosen(luck, None, {"include_usage": True})}
        fields["stream_options"] = fields["stream_options"] if fields["stream"] else None
    if luck.random() < 0.4:
        function = {"name": "tool_0", "parameters": SCHEMA}
        fields["tools"] = [{"type": "function", "function": function}]
        if luck.random() < 0.5:
            call = {"id": "call_1", "type": "function", "function": {"name": "tool_0", "arguments": "{}"}}
            turns.append({"role": "assistant", "content": None, "tool_calls": [call]})
            turns.append({"role": "tool", "tool_call_id": "call_1", "content": text(luck)})
    if luck.random() < 0.2:
        turns.insert(0, {"role": chosen(luck, "system", "developer"), "content": text(luck)})
    return fields


def response(luck: random.Random) -> dict[str, Any]:
    """The same for OpenAI's responses."""
    asked = chosen(luck, "Is it late?", [{"role": "user", "content": text(luck)}])
    return {
        "model": MODEL,
        "input": asked,
        "stream": luck.random() < 0.5,
        "max_output_tokens": luck.randrange(16, 3000),
    }


APIS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "/v1/messages": valid,
    "/v1/chat/completions": chat,
    "/v1/responses": response,
}


def mutated(luck: random.Random, whole: Any) -> Any:
    """A valid body in which up to three values, wherever they stand, were replaced or taken away."""
    for _ in range(luck.randrange(1, 4)):
        held: Any = whole
        while True:
            places: list[Any] = list(held) if isinstance(held, dict) else list(range(len(held)))
            if not places:
                break
            place = luck.choice(places)
            if isinstance(held[place], dict | list) and luck.random() < 0.7:
                held = held[place]
                continue
            if luck.random() < 0.3 and isinstance(held, dict):
                del held[place]
            else:
                held[place] = deepcopy(luck.choice(VALUES))
            break
    return whole


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def hostile(luck: random.Random) -> bytes:
    """Bytes that are no body at all, or one that wants to be too much."""
    depth = luck.randrange(1, 100_000)
    return chosen(
        luck,
        luck.randbytes(luck.randrange(500)),
        b"[" * depth,
        b'{"a":' * depth,
        b'{"model":' + b"[" * depth + b"]" * depth + b"}",
        encoded(valid(luck))[: luck.randrange(100)],
        encoded(valid(luck)).replace(b"late", b"\xff\xfe\xc3"),
        encoded({**valid(luck), "messages": [{"role": "user", "content": "x" * luck.randrange(1_000_000)}]}),
        encoded({**valid(luck), "messages": [{"role": "user", "content": "y"}] * luck.randrange(1000)}),
        encoded({**valid(luck), "max_tokens": 10**30}),
        b'{"model": NaN, "max_tokens": Infinity, "messages": 1e999}',
        b'{"model": ' + b"9" * 5000 + b"}",
        b"null",
        b'"model"',
        b"",
    )


def heads(luck: random.Random) -> dict[str, str]:
    """Headers, now and then of a kind that no SDK sends."""
    headers = {"host": "localhost", "x-api-key": "key", "anthropic-version": "2023-06-01"}
    headers["authorization"] = "Bearer key"
    trick = luck.random()
    if trick < 0.05:
        headers["host"] = "example.com:443"
    elif trick < 0.1:
        headers |= {"x-forwarded-host": "example.com", "forwarded": "host=example.com", "x-original-url": "/admin"}
    elif trick < 0.15:
        headers["x-mockllm-call"] = chosen(luck, "main/turn-1", "../../etc", "a b", "x" * 500, "")
    elif trick < 0.2:
        headers.pop(chosen(luck, "x-api-key", "anthropic-version"))
    elif trick < 0.25:
        headers["anthropic-version"] = chosen(luck, "2026-10-21", "1999-01-01", "x" * 2000)
    elif trick < 0.3:
        headers["anthropic-beta"] = "no-such-beta-2026-01-01," * 20
    return headers


PATHS = (
    "/v1/messages",
    "/v1/messages?beta=true",
    "/v1/messages/count_tokens",
    "/v1/../v1/messages",
    "//example.com/v1/messages",
    "http://example.com/v1/messages",
    "/v1/messages/%2e%2e/%2e%2e/etc/passwd",
    "/_run/one/v1/messages",
    "/_run/%00/v1/messages",
    "/v1/models/../../x",
    "/v1/models",
    "/%",
    "/v1/messages#x",
    "*",
)


def request(number: int) -> tuple[bytes, bytes, random.Random]:
    """The head and the body of request `number`."""
    luck = random.Random(number)
    kind, api = luck.random(), luck.choices(list(APIS), weights=(6, 3, 2))[0]
    whole = APIS[api](luck)
    body = encoded(whole) if kind < 0.45 else encoded(mutated(luck, whole)) if kind < 0.8 else hostile(luck)
    path = api if luck.random() < 0.8 else luck.choice(PATHS)
    method = "POST" if luck.random() < 0.95 else chosen(luck, "GET", "PUT", "HEAD", "DELETE", "OPTIONS", "BREW")
    lines = [f"{method} {path} HTTP/1.1", *[f"{name}: {value}" for name, value in heads(luck).items()]]
    lines += ["connection: close", f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode(), body, luck


DROPPED = -1  # the server hung up on a client that had not


async def answer(served: Served, number: int) -> int | None:
    """The status that request `number` was answered with, its body found right; None where the client hung up."""
    head, body, luck = request(number)
    reader, writer = await asyncio.open_unix_connection(str(served.socket))
    try:
        manner = luck.random()
        if manner < 0.03:  # early hang-ups, in the head, in the body, before the answer and within it
            writer.write((head + body)[: luck.randrange(len(head) + len(body) + 1)])
            if luck.random() < 0.5:
                await asyncio.sleep(luck.random() * 2)
            return None
        writer.write(head)
        for start in range(0, len(body), max(1, len(body) // 5)) if manner < 0.06 else ():
            writer.write(body[start : start + max(1, len(body) // 5)])
            await asyncio.sleep(luck.random() * 20)  # a slow body
        if manner >= 0.06:
            writer.write(body)
        raw = await reader.read()
    except ConnectionError:
        # On what is no HTTP the parser hangs up while the body is still under way; on nothing else may anybody.
        return None if head.startswith((b"BREW ", b"POST * ")) else DROPPED
    finally:
        writer.close()
    status = int(raw.split(b" ", 2)[1])
    check(number, head, status, raw)
    return status


ENDINGS = (b"event: message_stop", b"data: [DONE]", b"event: response.completed", b"event: response.incomplete")


def check(number: int, head: bytes, status: int, raw: bytes) -> None:
    assert status == 200 or 400 <= status < 500, (number, raw[:500])
    top, _, said = raw.partition(b"\r\n\r\n")
    if head.startswith(b"HEAD") or not said:
        return
    if b"text/event-stream" in top:
        assert [end for end in ENDINGS if end in said], number
        return
    if status >= 400 and b"application/json" not in top:
        assert status == 400, (number, raw[:500])  # aiohttp's own word on what is not HTTP
        return
    told = json.loads(said)
    if status >= 400:
        assert told["error"]["type"], number  # in both APIs' form
        assert told["error"]["message"], number
        assert len(told["error"]["message"]) < 20_000, number


@pytest.mark.slow
def test_ten_thousand_requests_get_a_right_answer_or_a_right_refusal(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(served: Served) -> tuple[Counter[int | None], int, int]:
        statuses: Counter[int | None] = Counter()
        turn = iter(range(COUNT))

        async def ask() -> None:
            for number in turn:
                statuses[await answer(served, number)] += 1

        async with asyncio.TaskGroup() as asking:  # the first that fails ends the others
            for _ in range(AT_ONCE):
                asking.create_task(ask())
        await asyncio.sleep(3600)
        left = len([task for task in asyncio.all_tasks() if "RequestHandler" in repr(task)])
        return statuses, left, served.runs.default.log.total

    speaker: Callable[[Any], Any] = DefaultSpeaker(Draws(1, 0))
    statuses, left, logged = in_warp(talk, speak=speaker)
    assert left == 0
    assert statuses.total() == COUNT
    assert statuses[200] > 0.3 * COUNT
    assert statuses[400] > 0.2 * COUNT
    assert statuses[None] > 0.01 * COUNT
    assert set(statuses) <= {200, 400, 401, 404, 405, 413, None}
    assert logged > 0.7 * COUNT
    assert not [record for record in caplog.records if record.name == "mockllm.server"]


def as_deep(levels: int, kind: str) -> Any:
    """JSON `levels` deep."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if kind == "objects" else [value]
    return value


@pytest.mark.parametrize("kind", ["objects", "lists"])
@pytest.mark.parametrize("levels", [240, 246])
def test_what_is_as_deep_as_json_may_be_here_meets_no_end_of_the_stack(levels: int, kind: str) -> None:
    deep, said = as_deep(levels, kind), [{"role": "user", "content": "x"}]
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {"q": deep}}
    called = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result_of("t")]}]
    schema = {"type": "object", "properties": {"q": deep}}
    function = {"type": "function", "name": "n", "parameters": {"q": deep}}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/messages", {"messages": [*said, *called]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "image", "source": deep}]}]}),
        ("/v1/messages", {"messages": said, "tools": [{"name": "n", "input_schema": schema}]}),
        ("/v1/messages", {"messages": said, "output_config": {"format": {"type": "json_schema", "schema": schema}}}),
        ("/v1/messages", {"messages": said, "metadata": {"q": deep}}),
        ("/v1/chat/completions", {"messages": said, "tools": [{"type": "function", "function": function}]}),
        ("/v1/chat/completions", {"messages": said, "metadata": {"q": deep}}),
        ("/v1/responses", {"input": "x", "tools": [function]}),
        ("/v1/responses", {"input": "x", "metadata": {"q": deep}}),
        ("/v1/responses", {"input": [{"type": "reasoning", "summary": deep}]}),
    ]
    headers = {"x-api-key": "key", "authorization": "Bearer key", "anthropic-version": "2023-06-01"}

    async def talk(served: Served) -> list[tuple[int, str, bool]]:
        statuses = []
        for path, fields in asked:
            for stream in (False, True):
                body = {"model": MODEL, "stream": stream, **fields} | ({"max_tokens": 9} if "messages" in path else {})
                statuses.append(((await served.http.post(path, json=body, headers=headers)).status_code, path, stream))
        return statuses

    told = in_warp(talk, speak=DefaultSpeaker(Draws(1, 0)))
    assert {status for status, _, _ in told} <= {200, 400}, told
    assert [status for status, _, _ in told].count(200) >= 10


def result_of(use_id: str) -> dict[str, str]:
    return {"type": "tool_result", "tool_use_id": use_id, "content": "done"}
