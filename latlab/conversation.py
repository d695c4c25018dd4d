"""What a scenario says and has said: tools, turns and the conversation that grows by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from latlab import LatlabError
from mockllm.core.distributions import Constant, Distribution
from mockllm.core.passage import Content, Passage
from mockllm.core.reply import Reply, Text, ToolUse

__all__ = ["Chat", "Part", "Tool", "ToolCall", "ToolResult", "Turn"]


_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class ToolError(LatlabError):
    """A tool that cannot be: its name, or how long it takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A local function that the model may call; equal to itself alone, so that what is derived of it can be kept.

    `latency_s` is slept in every world; the result is `answer(arguments)` where one is given, and otherwise filler of
    `result_tokens`. Both are drawn by the call's own name.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    latency_s: Distribution
    result_tokens: Distribution = field(default_factory=lambda: Constant(100))
    answer: Callable[[Mapping[str, Any]], str] | None = None

    def __post_init__(self) -> None:
        if not _TOOL_NAME.fullmatch(self.name):
            raise ToolError(f"Tool({self.name!r}): a tool's name is 1 to 128 letters, digits, _ and -")
        for field_name in ("latency_s", "result_tokens"):
            drawn = getattr(self, field_name)
            if not hasattr(drawn, "quantile"):
                raise ToolError(
                    f"Tool({self.name!r}, {field_name}={drawn!r}): no distribution; write Constant({drawn!r})"
                )

    def definition(self) -> dict[str, Any]:
        """The tool as a request carries it."""
        return {"name": self.name, "description": self.description, "input_schema": dict(self.input_schema)}


class ToolCall(NamedTuple):
    """A tool call of the model's, with the call path under which it runs."""

    path: str
    id: str
    name: str
    arguments: Mapping[str, Any]


class ToolResult(NamedTuple):
    """What came of the tool call `use_id`."""

    use_id: str
    content: Content
    is_error: bool = False


Part: TypeAlias = Text | ToolUse | ToolResult


class Turn(NamedTuple):
    """What one side said, in order."""

    role: str
    parts: tuple[Part, ...]


class Chat:
    """A conversation: system prompt and tools, fixed, and turns, which are only ever appended.

    `name` is its part of every call path; `calls` and `rounds` count the calls made and the rounds of tool calls;
    `unmatched` holds the ids of tool calls that have no result yet, and of results that nobody asked for. Worlds keep
    what they derive from a chat by how many turns it has.
    """

    __slots__ = ("calls", "name", "rounds", "system", "tools", "turns", "unmatched")

    def __init__(self, name: str, system: Content, tools: Sequence[Tool]) -> None:
        self.name = name
        self.system = system
        self.tools = tuple(tools)
        self.turns: list[Turn] = []
        self.calls = 0
        self.rounds = 0
        self.unmatched: set[str] = set()

    def user(self, *contents: Content | Passage) -> None:
        """Say something to the model: one text block for each of `contents`."""
        self.turns.append(Turn("user", tuple([Text(content) for content in contents])))

    def tool_results(self, results: Sequence[ToolResult]) -> None:
        """Hand back what the tools returned, in the order of the calls."""
        self.rounds += 1
        for result in results:  # one by one, so that a result given twice is noticed
            self.unmatched ^= {result.use_id}
        self.turns.append(Turn("user", tuple(results)))

    def assistant(self, reply: Reply) -> tuple[ToolUse, ...]:
        """Record what the model said, and return the tool calls that it wants run."""
        uses = reply.tool_uses
        self.unmatched = {use.id for use in uses}
        # The lab never asks for thinking, so no part of a reply to it is any.
        parts: Any = reply.parts
        self.turns.append(Turn("assistant", parts))
        return uses
