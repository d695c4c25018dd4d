"""Connection reuse: calls share kept-alive connections; without it each call pays for a connection of its own."""

from __future__ import annotations

from latlab.client import Call, Exchange
from latlab.optimizations.toggle import Send, Toggle

__all__ = ["TOGGLE", "unshared"]

TOGGLE = Toggle(
    "connection_reuse", ("true", "false"), "true", "share kept-alive connections, as one client for all calls does"
)


def unshared(send: Send) -> Send:
    """`send`, on a new connection for every call, closed after it."""

    async def alone(call: Call) -> Exchange:
        return await send(call._replace(reuse_connection=False))

    return alone
