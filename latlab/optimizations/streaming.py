"""Streaming: the answer arrives as it is said, so the user sees its first words long before its last."""

from __future__ import annotations

from latlab.client import Call, Exchange
from latlab.optimizations.toggle import Send, Toggle

__all__ = ["TOGGLE", "wrap"]

TOGGLE = Toggle("streaming", ("false", "true"), "false", "stream answers, so that the first words show early")


def wrap(send: Send) -> Send:
    """`send`, streamed."""

    async def streamed(call: Call) -> Exchange:
        return await send(call._replace(stream=True))

    return streamed
