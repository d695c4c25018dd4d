"""The client port: the one way out of the lab, which every world implements, and the record of what came of a call."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from latlab.conversation import Chat
from mockllm.core.reply import Reply, Script
from mockllm.core.usage import Usage

__all__ = ["Call", "CallRecord", "Client", "Exchange"]


class Call(NamedTuple):
    """One request as the optimisations have shaped it.

    It sends the first `turns` turns of `chat`. `breakpoints` names where explicit cache breakpoints go (`system`,
    `last`), `automatic_cache` asks the provider to place one. `script` is what a mock should answer; a real API never
    sees it.
    """

    path: str
    chat: Chat
    turns: int
    max_tokens: int
    script: Script
    stream: bool = False
    breakpoints: tuple[str, ...] = ()
    automatic_cache: bool = False
    reuse_connection: bool = True
    attempt: int = 0


class Exchange(NamedTuple):
    """What the client saw of one call: the answer, its usage, and stamps in microseconds of the run's clock.

    `connect_us` is how long the call waited for a new connection (0 where it used an old one, `opened` tells);
    `first_us` the arrival of the first visible text or tool byte, which without streaming is the end.
    """

    reply: Reply
    usage: Usage
    start_us: int
    connect_us: int
    opened: bool
    headers_us: int
    first_us: int
    end_us: int


class CallRecord(NamedTuple):
    """One call as it is stored: whole microseconds from the call's intended start, tokens, and nano-dollars."""

    path: str
    attempt: int
    start_us: int
    connect_us: int
    headers_us: int
    ttft_us: int
    total_us: int
    input_tokens: int
    read_tokens: int
    write_5m_tokens: int
    write_1h_tokens: int
    output_tokens: int
    opened: int
    streamed: int
    cost_nusd: int


class Client(Protocol):
    """Sends calls in one world."""

    async def send(self, call: Call) -> Exchange: ...
