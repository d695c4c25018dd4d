"""The OpenAI SDK: chat completions, plain and streamed, a tool call, and the responses endpoint.

mockllm serve --port 8787 &
MOCKLLM_URL=http://127.0.0.1:8787 python examples/clients/openai_sdk.py
"""

from __future__ import annotations

import os

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

MODEL = os.environ.get("MOCKLLM_MODEL", "claude-sonnet-5")
TOOLS: list[ChatCompletionToolParam] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Today's weather in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def main() -> None:
    url = os.environ.get("MOCKLLM_URL", "http://127.0.0.1:8787")
    client = OpenAI(api_key="any key will do", base_url=f"{url}/v1")
    asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Is it warm in Oslo?"}]

    plain = client.chat.completions.create(model=MODEL, max_completion_tokens=200, messages=asked)
    assert plain.usage is not None
    print("plain:", plain.choices[0].finish_reason, plain.usage.completion_tokens, "tokens")

    pieces, usage = 0, None
    for chunk in client.chat.completions.create(
        model=MODEL,
        max_completion_tokens=200,
        messages=asked,
        stream=True,
        stream_options={"include_usage": True},
    ):
        pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        usage = chunk.usage or usage
    print("streamed:", pieces, "pieces,", usage.completion_tokens if usage else None, "tokens")

    turn = client.chat.completions.create(
        model=MODEL, max_completion_tokens=1000, messages=asked, tools=TOOLS, tool_choice="required"
    )
    calls = turn.choices[0].message.tool_calls or []
    print("tools:", turn.choices[0].finish_reason, [call.function.name for call in calls if call.type == "function"])

    response = client.responses.create(model=MODEL, max_output_tokens=8000, input="Is it warm in Bergen?")
    print("response:", response.status, len(response.output_text) > 0)


if __name__ == "__main__":
    main()
