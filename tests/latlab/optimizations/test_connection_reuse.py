from __future__ import annotations

import asyncio
from typing import Any

from latlab.client import Call
from latlab.conversation import Chat
from latlab.optimizations.connection_reuse import TOGGLE, unshared
from mockllm.core.reply import Script


def test_a_call_keeps_no_connection_and_is_else_the_same() -> None:
    sent: list[Call] = []

    async def send(call: Call) -> Any:
        sent.append(call)

    call = Call("main/turn-0", Chat("main", "", []), 1, 100, Script(5), stream=True, breakpoints=("last",))
    asyncio.run(unshared(send)(call))  # type: ignore[arg-type]  # a coroutine, as all are here
    assert sent == [call._replace(reuse_connection=False)]
    assert call.reuse_connection


def test_the_plain_way_is_one_client_for_all_calls() -> None:
    assert TOGGLE.default == "true"
