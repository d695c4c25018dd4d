"""Requests to OpenAI's endpoints by the thousand, valid and mutilated: a right answer or a right refusal."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from openai_for_tests import KEY, WEATHER
from profiles_for_tests import AUTOMATIC, make_profile
from server_for_tests import MODEL, Served, in_warp

from mockllm.core.draws import Draws
from mockllm.core.speaker import DefaultSpeaker

COUNT = 2_000
AT_ONCE = 25
VALUES: list[Any] = [
    None, True, -1, 0, 1.5, 2, 10**400, 1e308, "", "x", "\x00", "\ud800", "é" * 50, [], [[]], {}, {"type": "text"},
    {"type": "function"}, [{"type": "input_image"}], "user",
]  # fmt: skip
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
CHOICES = [
    "auto",
    "required",
    "none",
    {"type": "function", "name": "get_weather"},
    {"type": "allowed_tools", "tools": []},
]
SCHEMA = {"name": "answer", "schema": {"type": "object", "properties": {"late": {"type": "boolean"}}}}


def chat(luck: random.Random) -> dict[str, Any]:
    """A body of chat completions that the API takes."""
    parts = [{"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    messages: list[Any] = [
        {"role": "system", "content": "s" * luck.randrange(6000)},
        {"role": "user", "content": luck.choice(["q", parts])},
    ]
    if luck.random() < 0.5:
        messages.append({"role": "assistant", "content": None, "tool_calls": [CALL]})
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": luck.choice(["r", parts[:1]])})
    fields: dict[str, Any] = {"model": MODEL, "messages": messages, "stream": luck.random() < 0.6}
    if fields["stream"] and luck.random() < 0.5:
        flags = ("include_usage", "continuous_usage_stats", "include_obfuscation")
        fields["stream_options"] = {flag: luck.random() < 0.5 for flag in flags}
    if luck.random() < 0.5:
        fields |= {"tools": [WEATHER], "tool_choice": luck.choice(CHOICES)}
    if luck.random() < 0.3:
        fields["response_format"] = {"type": "json_schema", "json_schema": SCHEMA}
    if luck.random() < 0.3:
        fields |= {"max_completion_tokens": luck.randrange(1, 500), "stop": luck.choice(["the", ["a", "b"], None])}
    return fields


def responses(luck: random.Random) -> dict[str, Any]:
    """A body of responses that the API takes."""
    parts = [{"type": "input_text", "text": "q"}, {"type": "input_image", "image_url": "data:,"}]
    items: list[Any] = [{"role": "user", "content": luck.choice(["q", parts])}]
    if luck.random() < 0.5:
        items += [
            {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": luck.choice(["r", parts])},
            {"type": "reasoning", "id": "rs_1", "summary": []},
        ]
    fields: dict[str, Any] = {"model": MODEL, "input": luck.choice(["q", items]), "stream": luck.random() < 0.6}
    if luck.random() < 0.5:
        tools = [{"type": "function", **WEATHER["function"]}, {"type": "web_search"}]
        fields |= {"tools": tools, "tool_choice": luck.choice(CHOICES), "instructions": "s" * luck.randrange(6000)}
    if luck.random() < 0.3:
        fields |= {"text": {"format": {"type": "json_schema", **SCHEMA}}, "reasoning": {"effort": "low"}}
    if luck.random() < 0.3:
        fields |= {"max_output_tokens": luck.randrange(1, 500), "prompt_cache_options": {"prewarm": True}}
    return fields


def mutilated(luck: random.Random, whole: Any) -> Any:
    """`whole` with up to three values, wherever they stand, replaced or taken away."""
    for _ in range(luck.randrange(4)):
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


async def answer(served: Served, number: int) -> int:
    """The status that request `number` was answered with, its body found right."""
    luck = random.Random(number)
    path, make = luck.choice([("/v1/chat/completions", chat), ("/v1/responses", responses)])
    body = json.dumps(mutilated(luck, deepcopy(make(luck)))).encode()
    response = await served.http.post(path, content=body, headers=KEY)
    if response.status_code != 200:
        assert 400 <= response.status_code < 500, (number, response.text)
        assert set(response.json()) == {"error"}, number
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}, number
        assert response.json()["error"]["message"], number
    elif "event-stream" in response.headers["content-type"]:
        last = ("data: [DONE]", '"type":"response.completed"', '"type":"response.incomplete"')
        assert any(word in response.text for word in last), number
    else:
        assert response.json()["usage"]["total_tokens"] > 0, number
    return response.status_code


@pytest.mark.slow
@pytest.mark.parametrize("rule", sorted(AUTOMATIC))
def test_thousands_of_requests_get_a_right_answer_or_a_right_refusal(
    rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(served: Served) -> Counter[int]:
        statuses: Counter[int] = Counter()
        turn = iter(range(COUNT))

        async def ask() -> None:
            for number in turn:
                statuses[await answer(served, number)] += 1

        async with asyncio.TaskGroup() as asking:
            for _ in range(AT_ONCE):
                asking.create_task(ask())
        return statuses

    profile = make_profile(automatic_cache=AUTOMATIC[rule], headers_lead_s=0.5)
    statuses = in_warp(talk, profile=profile, speak=DefaultSpeaker(Draws(1, 0)))
    assert statuses.total() == COUNT
    assert statuses[200] > 0.25 * COUNT
    assert statuses[400] > 0.25 * COUNT
    assert set(statuses) <= {200, 400, 404}
    assert not [record for record in caplog.records if record.name == "mockllm.server"]
