"""An agent as one would write it with the Anthropic SDK alone: it knows nothing of the lab that runs it.

Three investigators look into an incident at the same time, each in a tool loop of its own; the lead answers from what
they found, streamed, and takes the next question. Run it against the real API with ANTHROPIC_API_KEY set:

    python examples/own_agent.py

or in virtual time, without a key and without waiting:

    latlab run examples/own_agent.py --world warp --vary cache_control=off,auto
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from anthropic import AsyncAnthropic

MODEL = "claude-sonnet-5"
MAX_ROUNDS = 6

SERVICES = [
    f"- {area}-{role}: owned by team {team}, runs {replicas} replicas in eu-1 and eu-2, calls {area}-store and the "
    f"event bus, deploys behind a flag named {area}_{role}_next, pages its owner after {minutes} minutes without an "
    f"answer, and may be restarted at any time as long as one replica in each zone stays up."
    for area, team, minutes in [
        ("basket", "Checkout", 5),
        ("order", "Checkout", 5),
        ("payment", "Money", 2),
        ("ledger", "Money", 10),
        ("stock", "Warehouse", 10),
        ("parcel", "Warehouse", 15),
        ("search", "Discovery", 15),
        ("account", "Identity", 5),
    ]
    for role, replicas in [("api", 6), ("worker", 4), ("store", 3), ("scheduler", 2), ("gateway", 3)]
]
SYSTEM = """\
You help the engineer on call of a web shop. Say what is known, from which tool, and what is only likely. Prefer the
smallest step that stops the harm: a flag switched off, then a deployment rolled back, then a restart. Never propose a
step that the catalogue forbids. Be brief: the reader is on the phone.

# Catalogue of services
""" + "\n".join(SERVICES)

QUESTIONS = [
    "Payments have been failing for one customer in twenty since 14:05. What happened?",
    "Is it safe to roll back now, and what would we lose?",
    "Why did nobody get paged in the first ten minutes?",
    "Write the three lines that go on the status page.",
]
ANGLES = ["what the logs say", "what was deployed or switched before it began", "which other services are affected"]

TOOLS: list[Any] = [
    {
        "name": "search_logs",
        "description": "Count and show the log lines of one service that match a word, newest first.",
        "input_schema": {
            "type": "object",
            "properties": {
                "service": {"type": "string", "description": "Its name in the catalogue"},
                "word": {"type": "string", "description": "A word that the lines contain"},
                "minutes": {"type": "integer", "minimum": 1, "maximum": 240, "description": "How far to look back"},
            },
            "required": ["service", "word", "minutes"],
        },
    },
    {
        "name": "list_deployments",
        "description": "List what was deployed and which flags were switched, newest first.",
        "input_schema": {
            "type": "object",
            "properties": {"service": {"type": "string", "description": "Its name in the catalogue"}},
            "required": ["service"],
        },
    },
    {
        "name": "read_metrics",
        "description": "Read a service's error rate and its latency at the median and the 99th percentile.",
        "input_schema": {
            "type": "object",
            "properties": {"service": {"type": "string", "description": "Its name in the catalogue"}},
            "required": ["service"],
        },
    },
]


async def search_logs(service: str, word: str, minutes: int) -> str:
    await asyncio.sleep(0.9)
    return f"{service}, last {minutes} min: 412 lines with {word!r}, first at 14:05:11, all from zone eu-2."


async def list_deployments(service: str) -> str:
    await asyncio.sleep(0.35)
    return f"{service}: 14:03 flag switched on for 5 % of customers; 09:40 version 281 deployed; nothing before today."


async def read_metrics(service: str) -> str:
    await asyncio.sleep(0.2)
    return f"{service}: errors 4.8 % (usual 0.1 %), median 120 ms (usual 110), 99th percentile 5.0 s (usual 0.6)."


FUNCTIONS: dict[str, Callable[..., Awaitable[str]]] = {
    "search_logs": search_logs,
    "list_deployments": list_deployments,
    "read_metrics": read_metrics,
}


async def run_tool(call: Any) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": call.id}
    try:
        return result | {"content": await FUNCTIONS[call.name](**call.input)}
    except (KeyError, TypeError) as error:
        return result | {"content": f"cannot be called like that: {error}", "is_error": True}


async def investigate(client: AsyncAnthropic, question: str, angle: str) -> str:
    """One investigator: calls tools until it has something to say."""
    messages: list[Any] = [{"role": "user", "content": f"{question}\n\nLook only at {angle}. Report in a few lines."}]
    for _ in range(MAX_ROUNDS):
        message = await client.messages.create(
            model=MODEL, max_tokens=2_000, system=SYSTEM, tools=TOOLS, messages=messages
        )
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return "".join(block.text for block in message.content if block.type == "text")
        messages.append({"role": "assistant", "content": message.content})
        messages.append({"role": "user", "content": await asyncio.gather(*map(run_tool, calls))})
    return f"Nothing certain about {angle} after {MAX_ROUNDS} rounds."


async def run(client: AsyncAnthropic, config: object, show: Callable[[str], object] = lambda text: None) -> None:
    """answers an engineer's questions about an incident with three investigators at a time"""
    messages: list[Any] = []
    for question in QUESTIONS:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(investigate(client, question, angle)) for angle in ANGLES]
        findings = "\n\n".join(f"On {angle}:\n{task.result()}" for angle, task in zip(ANGLES, tasks, strict=True))
        messages.append({"role": "user", "content": f"{question}\n\nWhat was found:\n\n{findings}"})
        async with client.messages.stream(model=MODEL, max_tokens=2_000, system=SYSTEM, messages=messages) as stream:
            async for text in stream.text_stream:
                show(text)
            answer = await stream.get_final_message()
        messages.append({"role": "assistant", "content": answer.content})
        show("\n\n")


if __name__ == "__main__":
    asyncio.run(run(AsyncAnthropic(), None, show=sys.stdout.write))
