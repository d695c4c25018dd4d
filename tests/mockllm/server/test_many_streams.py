"""A thousand streams at once: each is whole, as long as planned, and done when it was planned to be."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from server_for_tests import MODEL, Recorder, Served, in_warp

from mockllm.core.draws import Draws
from mockllm.core.speaker import DefaultSpeaker

COUNT = 1000


async def streamed(served: Served, number: int) -> tuple[str, int, int]:
    """The id of the message that answers question `number`, its output tokens, and when its last byte came."""
    asked = {"model": MODEL, "max_tokens": 8000, "stream": True}
    body = json.dumps({**asked, "messages": [{"role": "user", "content": f"Question {number}"}]}).encode()
    reader, writer = await asyncio.open_unix_connection(str(served.socket))
    head = "POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
    writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    raw = await reader.read()
    ended_us = served.loop.now_us()
    writer.close()
    events = [json.loads(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: ")]
    assert events[-1] == {"type": "message_stop"}
    return events[0]["message"]["id"], events[-2]["usage"]["output_tokens"], ended_us


@pytest.mark.slow
def test_a_thousand_streams_at_once_are_whole_and_as_long_as_planned() -> None:
    async def talk(served: Served) -> tuple[list[tuple[str, int, int]], Any]:
        ended = await asyncio.gather(*[streamed(served, number) for number in range(COUNT)])
        assert isinstance(served.emulator, Recorder)
        return ended, served.emulator.answers

    ended, answers = in_warp(talk, speak=DefaultSpeaker(Draws(1, 0)))
    planned = {answer.reply.id: (answer.usage.output_tokens, answer.end_us) for answer in answers}
    assert len(planned) == COUNT
    assert {name: (tokens, at_us) for name, tokens, at_us in ended} == planned
