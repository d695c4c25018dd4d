"""All that a scenario sees: conversations, the model, tools, and luck that is its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from latlab import LatlabError
from latlab.client import Call, CallRecord, Client, Exchange
from latlab.config import BenchmarkConfig
from latlab.conversation import Chat, Tool, ToolCall, ToolResult
from latlab.optimizations import fan_out_of, wrap_send
from mockllm.core.clock import Clock
from mockllm.core.distributions import Distribution, microseconds
from mockllm.core.draws import Draws
from mockllm.core.identity import BadCallPathError, check_path
from mockllm.core.passage import Content, Passage
from mockllm.core.profile import Price
from mockllm.core.reply import BadArgumentsError, Reply, Script, Text, ToolRequest
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.usage import cost_nusd

__all__ = ["Answer", "Expect", "Lab", "ScenarioError"]

Choice = TypeVar("Choice")
_MAX_TOKENS = 16_384
MOST_TOKENS = 21_333


class ScenarioError(LatlabError):
    """A scenario asked for something that cannot be."""


class Answer(NamedTuple):
    """What the model said in one call: its text, and the tool calls it wants run."""

    path: str
    reply: Reply
    tool_calls: tuple[ToolCall, ...]
    counter: TokenCounter

    @property
    def text(self) -> str:
        """The visible text."""
        return "".join([write_out(part.content, self.counter) for part in self.reply.parts if isinstance(part, Text)])


Expect: TypeAlias = "Script | Callable[[Lab, Chat, str], Script]"
"""What a mock should say next: a script, or a function of the lab, the chat and the call path that makes one."""


def _asked(expect: object, path: str) -> Callable[[Lab, Chat, str], Script]:
    if not callable(expect):
        raise ScenarioError(f"lab.complete, {path}: expect={expect!r} is no Script, and no function that makes one")
    return expect


def _sayable(script: object, path: str) -> Script:
    """`script` where it can be said; its tool calls are as they will be once they went over a wire."""
    if not isinstance(script, Script):
        raise ScenarioError(f"lab.complete, {path}: expect made {script!r}, which is no Script")
    tokens = script.output_tokens
    if type(tokens) is not int or tokens < 0:
        raise ScenarioError(f"lab.complete, {path}: Script(output_tokens={tokens!r}): give a whole number from 0 up")
    for use in script.tool_uses:
        if not isinstance(use, ToolRequest):
            return script._replace(tool_uses=[_request(one, path) for one in script.tool_uses])
    return script


def _request(use: Any, path: str) -> ToolRequest:
    if isinstance(use, ToolRequest):
        return use
    try:
        name, arguments = use
        return ToolRequest.of(name, arguments)
    except (TypeError, ValueError):
        raise ScenarioError(
            f"lab.complete, {path}: {use!r} is no tool call; give a pair of its name and a table of arguments"
        ) from None
    except BadArgumentsError as error:
        raise ScenarioError(f"lab.complete, {path}: {error}") from None


@lru_cache
def _check_name(name: str) -> None:
    try:
        check_path(f"{name}/turn-999/tool-99")
    except BadCallPathError:
        raise ScenarioError(
            f"lab.chat(name={name!r}): no name for a chat; use letters, digits and . _ ~ -, joined by /, "
            "and at most 80 of them"
        ) from None


class Lab:
    """The laboratory of one run in one world.

    Durations are whole microseconds of the run's clock, from 0. Nothing here knows which world it is in.
    """

    def __init__(
        self,
        config: BenchmarkConfig,
        client: Client,
        clock: Clock,
        draws: Draws,
        counter: TokenCounter,
        prices: tuple[Price, ...],
        most_output_tokens: int,
    ) -> None:
        self.config = config
        self.calls: list[CallRecord] = []
        self.tool_runs = 0
        self.shown_us: int | None = None
        self._client = client
        self._clock = clock
        self._draws = draws
        self._counter = counter
        self._prices = prices
        self._max_tokens = min(_MAX_TOKENS, most_output_tokens)
        self._chats: set[str] = set()
        self._tools: dict[str, Tool] = {}
        self._drawn: dict[tuple[str, str], tuple[Distribution, float]] = {}
        self._send = wrap_send(config, self._exchange)
        self._fan_out = fan_out_of(config)

    def now_us(self) -> int:
        """Microseconds since the run began."""
        return self._clock.now_us()

    # Luck

    def uniforms(self, name: str, path: str = "") -> tuple[float, float, float, float]:
        """Four uniforms of this run under `name`; ask under another name for others. Arms share them."""
        return self._draws.uniforms(f"scenario:{name}", path)

    def draw(self, distribution: Distribution, name: str, path: str = "") -> float:
        """A value of `distribution` under `name`."""
        drawn = self._drawn.get((name, path))
        if drawn is None or drawn[0] is not distribution:
            drawn = self._drawn[name, path] = (distribution, distribution.quantile(self.uniforms(name, path)[0]))
        return drawn[1]

    def pick(self, choices: Sequence[Choice], name: str = "pick") -> Choice:
        """One of `choices`, each as likely."""
        return choices[int(self.uniforms(name)[0] * len(choices))]

    def text(self, key: str, tokens: float) -> Content:
        """Filler of exactly `tokens` tokens (rounded, at least 1) that no other `key` shares."""
        whole = round(tokens)
        return Passage(key, whole if whole > 0 else 1)

    # The model

    def chat(self, *, system: Content = "", tools: Sequence[Tool] = (), name: str = "main") -> Chat:
        """A new conversation. Its name is part of every call path, so two of one run need two names."""
        if name in self._chats:
            raise ScenarioError(
                f"lab.chat(name={name!r}): this run has a chat of that name; give each a name of its own"
            )
        _check_name(name)
        named = {tool.name: tool for tool in tools}
        if len(named) < len(tools):
            raise ScenarioError(f"lab.chat(name={name!r}): two of its tools have one name; give each a name of its own")
        self._chats.add(name)
        self._tools.update(named)
        return Chat(name, system, tools)

    async def complete(self, chat: Chat, *, expect: Expect, max_tokens: int | None = None) -> Answer:
        """Ask the model for the next turn of `chat`, and append it.

        The answer is cut at `max_tokens`: by default 16,384, or the most that the model gives if that is less.
        """
        if max_tokens is None:
            max_tokens = self._max_tokens
        if not chat.turns or chat.turns[-1].role != "user":
            raise ScenarioError(f"lab.complete: chat {chat.name!r} holds nothing to answer; say something by chat.user")
        if chat.unmatched:
            raise ScenarioError(
                f"lab.complete: chat {chat.name!r} has tool calls and results that do not match "
                f"({', '.join(sorted(chat.unmatched))}); answer every call of the last turn once, by chat.tool_results"
            )
        if type(max_tokens) is not int or not 1 <= max_tokens <= MOST_TOKENS:
            raise ScenarioError(
                f"lab.complete(max_tokens={max_tokens}): ask for 1 to {MOST_TOKENS} tokens, the most that the SDK "
                "asks for without streaming"
            )
        path = f"{chat.name}/turn-{chat.calls}"
        chat.calls += 1
        script = _sayable(expect if isinstance(expect, Script) else _asked(expect, path)(self, chat, path), path)
        exchange = await self._send(Call(path, chat, len(chat.turns), max_tokens, script))
        reply = exchange.reply
        uses = chat.assistant(reply)
        if not uses:
            self.shown_us = exchange.first_us
        return Answer(
            path,
            reply,
            tuple([ToolCall(f"{path}/tool-{n}", use.id, use.name, use.arguments) for n, use in enumerate(uses)])
            if uses
            else (),
            self._counter,
        )

    async def _exchange(self, call: Call) -> Exchange:
        exchange = await self._client.send(call)
        usage, start_us = exchange.usage, exchange.start_us
        uncached, read, write_5m, write_1h, output = usage
        self.calls.append(
            CallRecord(
                call.path,
                call.attempt,
                start_us,
                exchange.connect_us,
                exchange.headers_us - start_us,
                exchange.first_us - start_us,
                exchange.end_us - start_us,
                uncached,
                read,
                write_5m,
                write_1h,
                output,
                exchange.opened,
                call.stream,
                cost_nusd(usage, self._prices),
            )
        )
        return exchange

    # Tools

    async def run_tools(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Run the tools that the model asked for; the results are in the order of the calls."""
        if len(calls) == 1:
            return [await self._run_tool(calls[0])]
        return await self._fan_out([partial(self._run_tool, call) for call in calls])

    async def _run_tool(self, call: ToolCall) -> ToolResult:
        tool = self._tools.get(call.name)
        if tool is None:
            raise ScenarioError(f"the model called the tool {call.name!r}, which no chat of this run has")
        latency, size, _, _ = self._draws.uniforms("tool", call.path)
        self.tool_runs += 1
        await self._clock.sleep_until(self._clock.now_us() + microseconds(tool.latency_s.quantile(latency)))
        if tool.answer is not None:
            # A copy of its own: what a tool does to its arguments is no other run's business.
            return ToolResult(call.id, tool.answer(deepcopy(call.arguments)))
        return ToolResult(call.id, self.text(call.path, tool.result_tokens.quantile(size)))
