from __future__ import annotations

import asyncio
from typing import Any

from latlab.client import Call
from latlab.conversation import Chat
from latlab.optimizations.streaming import TOGGLE, wrap
from mockllm.core.reply import Script


def test_a_call_is_streamed_and_else_the_same() -> None:
    sent: list[Call] = []

    async def send(call: Call) -> Any:
        sent.append(call)

    call = Call("main/turn-0", Chat("main", "", []), 1, 100, Script(5), breakpoints=("last",), reuse_connection=False)
    asyncio.run(wrap(send)(call))  # type: ignore[arg-type]  # a coroutine, as all are here
    assert sent == [call._replace(stream=True)]
    assert not call.stream


def test_the_plain_way_is_not_to_stream() -> None:
    assert TOGGLE.default == "false"
