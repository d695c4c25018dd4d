"""langchain-anthropic: a streamed chat that reports its tokens, and a tool call.

mockllm serve --port 8787 &
MOCKLLM_URL=http://127.0.0.1:8787 python examples/clients/langchain_chat.py
"""

from __future__ import annotations

import os

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from pydantic import SecretStr


@tool
def get_weather(city: str) -> str:
    """Today's weather in a city."""
    return f"rain in {city}"


def main() -> None:
    chat = ChatAnthropic(
        model="claude-sonnet-5",
        api_key=SecretStr("any key will do"),
        base_url=os.environ.get("MOCKLLM_URL", "http://127.0.0.1:8787"),
        timeout=None,
        stop=None,
    )
    whole = AIMessageChunk(content="")
    pieces = 0
    for chunk in chat.stream([HumanMessage("Why stream an answer?")]):
        assert isinstance(chunk, AIMessageChunk)
        whole += chunk
        pieces += 1
    assert whole.usage_metadata is not None
    print("streamed:", pieces, "pieces,", whole.usage_metadata["output_tokens"], "tokens")

    answer = chat.bind_tools([get_weather]).invoke([HumanMessage("Is it warm in Oslo?")])
    print("tools:", [call["name"] for call in answer.tool_calls])
    for call in answer.tool_calls:
        print("result:", get_weather.invoke(call).content)


if __name__ == "__main__":
    main()
