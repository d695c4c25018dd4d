"""An agent of ten streamed turns, as its author would write it: it knows a base URL, and nothing of virtual time.

Run as a program it prints, as JSON, every event that it saw and when.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from anthropic import AsyncAnthropic

TURNS = 10
TOOLS: Any = [
    {
        "name": "get_weather",
        "description": "Tells the weather in a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


async def ten_turns(base_url: str) -> list[tuple[str, float]]:
    """The events of all turns, each with the loop's time at which it arrived."""
    loop = asyncio.get_running_loop()
    seen: list[tuple[str, float]] = []
    messages: Any = [{"role": "user", "content": "Plan a week in Norway. " * 200}]
    async with AsyncAnthropic(base_url=base_url, api_key="x") as client:
        for _ in range(TURNS):
            async with client.messages.stream(
                model="claude-sonnet-5",
                max_tokens=4000,
                messages=messages,
                tools=TOOLS,
                cache_control={"type": "ephemeral"},
            ) as stream:
                seen += [(event.type, loop.time()) async for event in stream]
                answer = await stream.get_final_message()
            messages.append({"role": "assistant", "content": answer.content})
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": "It rains."}
                for block in answer.content
                if block.type == "tool_use"
            ]
            await asyncio.sleep(0.25 * len(results))
            messages.append({"role": "user", "content": results or "Go on."})
    return seen


if __name__ == "__main__":
    from mockllm.testing import VirtualMock

    with VirtualMock("claude-sonnet-5") as mock:
        print(json.dumps(mock.run(ten_turns(mock.base_url))))
