"""A stream read off the socket by hand, for tests with so many that an SDK would take the time."""

from __future__ import annotations

import asyncio
import json

from server_for_tests import MODEL, Served

__all__ = ["streamed"]


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
