"""pydantic-ai: an agent with a tool, and one whose answer is an object of a given type.

mockllm serve --port 8787 &
MOCKLLM_URL=http://127.0.0.1:8787 python examples/clients/pydantic_ai_agent.py
"""

from __future__ import annotations

import os

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider


class Weather(BaseModel):
    """What the second agent answers."""

    city: str
    degrees: int


def main() -> None:
    url = os.environ.get("MOCKLLM_URL", "http://127.0.0.1:8787")
    model = AnthropicModel("claude-sonnet-5", provider=AnthropicProvider(api_key="any key will do", base_url=url))
    agent = Agent(model, instructions="You are brief.")

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Today's weather in a city."""
        return f"rain in {city}"

    result = agent.run_sync("Is it warm in Oslo?")
    print("agent:", result.usage().requests, "requests,", len(result.output) > 0)

    typed = Agent(model, output_type=NativeOutput(Weather)).run_sync("The weather in Bergen?")
    print("typed:", type(typed.output).__name__)


if __name__ == "__main__":
    main()
