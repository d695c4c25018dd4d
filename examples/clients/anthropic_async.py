"""The Anthropic SDK, asynchronous: a small agent that runs the tools that it is asked for, all of a turn at once.

mockllm serve --port 8787 &
MOCKLLM_URL=http://127.0.0.1:8787 python examples/clients/anthropic_async.py
"""

from __future__ import annotations

import asyncio
import os

from anthropic import AsyncAnthropic
from anthropic.types import MessageParam, ToolParam, ToolResultBlockParam, ToolUseBlock

MODEL = "claude-sonnet-5"
TOOLS: list[ToolParam] = [
    {
        "name": "get_weather",
        "description": "Today's weather in a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


async def run_tool(call: ToolUseBlock) -> ToolResultBlockParam:
    await asyncio.sleep(0.01)
    return {"type": "tool_result", "tool_use_id": call.id, "content": f"rain in {call.input}"}


async def main() -> None:
    client = AsyncAnthropic(api_key="any key will do", base_url=os.environ.get("MOCKLLM_URL", "http://127.0.0.1:8787"))
    messages: list[MessageParam] = [{"role": "user", "content": "Where is it warmer today, in Oslo or in Bergen?"}]
    while True:
        async with client.messages.stream(model=MODEL, max_tokens=1000, messages=messages, tools=TOOLS) as stream:
            message = await stream.get_final_message()
        calls = [block for block in message.content if block.type == "tool_use"]
        print("turn:", message.stop_reason, [call.name for call in calls])
        if not calls:
            break
        messages.append({"role": "assistant", "content": message.content})
        messages.append({"role": "user", "content": await asyncio.gather(*[run_tool(call) for call in calls])})


if __name__ == "__main__":
    asyncio.run(main())
