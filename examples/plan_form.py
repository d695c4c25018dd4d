"""A benchmark of one's own: a task, and the toggles whose effect on it one wants to see.

    latlab run examples/plan_form.py

runs it with each of them off, with each alone, and with all of them on.
"""

from __future__ import annotations

from latlab import BenchmarkConfig, Chat, Lab, Script, Tool, benchmark
from mockllm.core.distributions import Lognormal

FORECAST = Tool(
    "forecast",
    "Tomorrow's weather in one city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    latency_s=Lognormal(0.4, 0.5),
    answer=lambda arguments: f"{arguments['city']}: 14 degrees, rain from noon.",
)
CITIES = ("Oslo", "Lisbon", "Prague", "Dublin")


def next_turn(lab: Lab, chat: Chat, path: str) -> Script:
    """What a mock says: first it asks for the four forecasts at once, then it answers. A real model decides itself."""
    if chat.rounds == 0:
        return Script(output_tokens=90, tool_uses=[("forecast", {"city": city}) for city in CITIES])
    return Script(output_tokens=round(lab.draw(Lognormal(220, 0.4), "answer", path)))


@benchmark(streaming=True, cache_control=True, parallel_tools=True)
async def run_scenario(config: BenchmarkConfig) -> str:
    """where to spend tomorrow, from four forecasts and a long guide"""
    lab = config.lab
    chat = lab.chat(system=lab.text("travel-guide", 30_000), tools=[FORECAST])
    chat.user("Where of Oslo, Lisbon, Prague and Dublin should I be tomorrow, and what should I pack?")
    while True:
        reply = await lab.complete(chat, expect=next_turn)
        if not reply.tool_calls:
            return reply.text
        chat.tool_results(await lab.run_tools(reply.tool_calls))
