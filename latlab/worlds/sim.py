"""The sim world: the emulator called in process, on a loop whose time costs nothing.

What warp does with sockets and the SDK is here a pool model and a request built from the conversation itself. Both give
the same figures for the same study; that is tested for every scenario and every combination of toggles.
"""

from __future__ import annotations

import random
from asyncio import CancelledError
from functools import lru_cache

from latlab import LatlabError
from latlab.client import Call, Exchange
from latlab.config import BenchmarkConfig
from latlab.conversation import Chat, Tool, Turn
from latlab.lab import Lab
from latlab.worlds.run import Outcome, Scenario, failure, live, record_run
from mockllm.clock.sim_loop import SimLoop
from mockllm.core.connections import ConnectionPool
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.passage import Content, Passage
from mockllm.core.profile import Profile
from mockllm.core.reply import Script, Text, ToolUse
from mockllm.core.request import (
    FIVE_MINUTES_US,
    Block,
    Breakpoint,
    Prefix,
    Request,
    TokenCounter,
    scope,
    system_block,
    text_block,
    tool_block,
    tool_result_block,
    tool_use_block,
)
from mockllm.core.speaker import DefaultSpeaker
from mockllm.emulator.admission import Emulator

__all__ = ["CallTimeoutError", "RefusedError", "SimClient", "run_sim"]

_CONNECT_TIMEOUT_US = 5_000_000
_READ_TIMEOUT_US = 600_000_000
"""Both are the SDK's own (protocol: client behaviour)."""


class RefusedError(LatlabError):
    """A call that the API refuses: beyond a limit of its model."""


class CallTimeoutError(LatlabError):
    """A call that the client gave up: no connection in five seconds, or nothing said in ten minutes."""


def run_sim(
    scenario: Scenario,
    profile: Profile,
    config: BenchmarkConfig,
    draws: Draws,
    *,
    seeded: bool = True,
    scripts: dict[str, Script] | None = None,
) -> Outcome:
    """One run of `scenario` in virtual time, in this process. The `scripts` of its calls are left there, by path.

    `seeded` gives the standard library's `random` the run's own stream, as warp does; a scenario that draws from the
    lab alone needs none, and seeding is dear.
    """
    if seeded:
        random.seed(draws.uniforms("random", "")[0])
    loop = SimLoop()  # type: ignore[abstract]  # what asyncio needs without sockets and threads, and no more
    left = {} if scripts is None else scripts
    emulator = Emulator(profile, draws, loop, DefaultSpeaker(draws), warm=config.cache_start == "warm", scripts=left)
    client = SimClient(emulator, loop)
    lab = Lab(config, client, loop, draws, emulator.counter, profile.price, profile.max_output_tokens)

    async def run() -> Outcome:
        total_us = await live(scenario, lab)
        return record_run(total_us, lab.shown_us, lab.tool_runs, lab.calls)

    try:
        return loop.run_until_complete(run())
    except MemoryError:
        raise
    except (Exception, CancelledError, SystemExit) as error:  # whatever a scenario raises is its run's outcome
        return failure(error)
    finally:
        loop.close()


class SimClient:
    """The client port on the emulator, a pool of modelled connections, and virtual time."""

    def __init__(self, emulator: Emulator, loop: SimLoop) -> None:
        self._emulator = emulator
        self._loop = loop
        self._pool = ConnectionPool(emulator.service.idle_expiry_s)
        self._setup = emulator.service.setup
        self._prompts: dict[str, _Prompt] = {}

    async def send(self, call: Call) -> Exchange:
        loop, emulator = self._loop, self._emulator
        identity = Identity(call.path, call.attempt)
        start_us = loop.now_us()
        connection = None
        reusable = False
        try:
            # Same-instant calls meet the pool, like the emulator, in the order of their names.
            await loop.settle(identity)
            connection, opened = self._pool.take(start_us)
            connect_us = 0
            if opened:
                connect_us = self._setup.draw_us(emulator.draws, identity)
                if connect_us > _CONNECT_TIMEOUT_US:
                    await loop.sleep_until(start_us + _CONNECT_TIMEOUT_US)
                    raise CallTimeoutError(f"{call.path}: request timed out: no connection in 5 s")
                await loop.sleep_until(start_us + connect_us)
            emulator.scripts[call.path] = call.script
            answer = await emulator.admit(self._request(call, identity))
            end_us = answer.end_us
            headers_us = answer.first_us if call.stream else end_us
            if headers_us - answer.admitted_us >= _READ_TIMEOUT_US:
                await loop.sleep_until(answer.admitted_us + _READ_TIMEOUT_US)
                raise CallTimeoutError(
                    f"{call.path}: request timed out: nothing came in {_READ_TIMEOUT_US // 1_000_000} s"
                )
            # A tool call that was cut leaves a stream in which nothing is to be seen.
            first_us = headers_us if answer.reply.parts else end_us
            await loop.sleep_until(end_us)
            reusable = call.reuse_connection
        except RefusedError:
            reusable = call.reuse_connection  # the refusal was read to its end
            raise
        finally:
            if connection is not None:
                self._pool.release(connection, loop.now_us(), reusable=reusable)
            # Calls that end at one instant, answered or given up, hand over in the order of their names.
            await loop.settle(identity)
        return Exchange(answer.reply, answer.usage, start_us, connect_us, opened, headers_us, first_us, end_us)

    def _request(self, call: Call, identity: Identity) -> Request:
        prompt = self._prompts.get(call.chat.name)
        if prompt is None:
            prompt = self._prompts[call.chat.name] = _Prompt(call.chat, self._emulator)
        profile = self._emulator.profile
        tokens = prompt.tokens_after(call.turns)
        cached = call.automatic_cache or bool(call.breakpoints)
        size = prompt.size_after(call.turns) if cached else 0
        marks = prompt.breakpoints(call, size) if cached else ()
        if marks and len(marks) > round(profile.cache.breakpoints.value):
            most = round(profile.cache.breakpoints.value)
            raise RefusedError(f"{call.path}: more blocks with cache_control than {most}: {len(marks)}")
        if call.max_tokens > profile.max_output_tokens:
            raise RefusedError(f"{call.path}: max_tokens: {call.max_tokens} > {profile.max_output_tokens} maximum")
        if tokens > profile.max_input_tokens:
            raise RefusedError(f"{call.path}: prompt is too long: {tokens} tokens > {profile.max_input_tokens} maximum")
        return Request(
            identity,
            profile.model,
            prompt.prefix,
            size,
            marks,
            call.max_tokens,
            call.stream,
            (),
            False,
            tokens,
        )


class _Prompt:
    """A chat as a growing prompt: each turn is counted once, and where something is cached turned into blocks once."""

    __slots__ = ("_chat", "_counter", "_fixed", "_sizes", "_tokens", "prefix")

    def __init__(self, chat: Chat, emulator: Emulator) -> None:
        self._chat = chat
        self._counter = emulator.counter
        self.prefix = _fixed_prefix(emulator.profile.model, chat.tools, chat.system, emulator.counter)
        self._fixed = len(self.prefix.blocks)
        self._sizes = [self._fixed]
        self._tokens = [self.prefix.totals[-1]]

    def tokens_after(self, turns: int) -> int:
        """Tokens of the prompt that sends the chat's first `turns` turns."""
        tokens = self._tokens
        for turn in self._chat.turns[len(tokens) - 1 : turns]:
            tokens.append(tokens[-1] + _tokens(turn, self._counter))
        return tokens[turns]

    def size_after(self, turns: int) -> int:
        """Blocks of that prompt, which the prefix then holds."""
        sizes = self._sizes
        if len(sizes) == 1:
            self.prefix = self.prefix.copy()  # from here on the chat's own
        for turn in self._chat.turns[len(sizes) - 1 : turns]:
            for block in _blocks(turn, self._counter):
                self.prefix.append(block)
            sizes.append(len(self.prefix))
        return sizes[turns]

    def breakpoints(self, call: Call, size: int) -> tuple[Breakpoint, ...]:
        """Where the call's marks fall; a place that nothing eligible holds gets none."""
        marks = []
        if "system" in call.breakpoints and self._fixed:
            marks.append(Breakpoint(self._fixed - 1, FIVE_MINUTES_US))
        if "last" in call.breakpoints or call.automatic_cache:
            last = next((n for n in range(size - 1, -1, -1) if self.prefix.blocks[n].eligible), None)
            if last is not None and (not marks or last > marks[-1].index):
                marks.append(Breakpoint(last, FIVE_MINUTES_US))
        return tuple(marks)


@lru_cache(maxsize=64)
def _fixed_prefix(model: str, tools: tuple[Tool, ...], system: Content, counter: TokenCounter) -> Prefix:
    """Tools and system prompt, which are the same in every run of a scenario."""
    prefix = Prefix(scope(model))
    for tool in tools:
        prefix.append(tool_block(tool.definition(), counter))
    if system:
        prefix.append(system_block(system, counter))
    return prefix


def _tokens(turn: Turn, counter: TokenCounter) -> int:
    tokens = 0
    for part in turn.parts:
        if isinstance(part, ToolUse):
            tokens += counter.count(part.name) + counter.count(part.json)
        else:
            content = part.content
            tokens += content.tokens if isinstance(content, Passage) else counter.count(content)
    return tokens


def _blocks(turn: Turn, counter: TokenCounter) -> list[Block]:
    blocks = []
    for part in turn.parts:
        if isinstance(part, Text):
            blocks.append(text_block(turn.role, part.content, counter))
        elif isinstance(part, ToolUse):
            blocks.append(tool_use_block(part.id, part.name, part.json, counter))
        else:
            blocks.append(tool_result_block(part.use_id, part.content, part.is_error, counter))
    return blocks
