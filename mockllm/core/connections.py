"""A pure model of the HTTP client's connection pool: which idle connection is taken, expiry, and set-up cost.

It follows the pool of the SDK's HTTP library: idle connections are scanned in the order in which they were opened, one
that has idled for longer than the expiry is closed first, and a connection whose exchange was cut short is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from mockllm import MockLLMError
from mockllm.core.distributions import Lognormal, microseconds
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.profile import Connection

__all__ = ["ConnectionPool", "PoolExhaustedError", "PooledConnection", "SetupCost"]


MOST_CONNECTIONS = 1000
"""The SDK's own limit (protocol: client behaviour)."""


class PoolExhaustedError(MockLLMError):
    """More connections at once than the client opens."""


class SetupCost:
    """How long a new connection takes (TCP and TLS), drawn by the request that opens it."""

    __slots__ = ("_distribution",)

    def __init__(self, connection: Connection) -> None:
        self._distribution = Lognormal(connection.setup_s.value, connection.setup_sigma.value)

    def draw_us(self, draws: Draws, identity: Identity) -> int:
        """Whole microseconds of set-up for the connection that the call `identity` opens."""
        return microseconds(self._distribution.quantile(draws.uniforms("connect", identity.path, identity.attempt)[0]))


@dataclass(slots=True, eq=False)
class PooledConnection:
    """One connection: taken, or idle since `idle_since_us`."""

    idle_since_us: int | None = None


class ConnectionPool:
    """Connections in the order of their opening; the caller keeps the clock and pays the set-up."""

    __slots__ = ("_expiry_s", "connections", "most_idle", "opened")

    def __init__(self, idle_expiry_s: float, most_idle: int = 100) -> None:
        self.connections: list[PooledConnection] = []
        self.opened = 0
        self.most_idle = most_idle
        self._expiry_s = idle_expiry_s

    def take(self, now_us: int) -> tuple[PooledConnection, bool]:
        """A connection for a request sent now, and whether it is new."""
        self._drop_expired(now_us / 1e6)
        for connection in self.connections:
            if connection.idle_since_us is not None:
                connection.idle_since_us = None
                return connection, False
        if len(self.connections) >= MOST_CONNECTIONS:
            raise PoolExhaustedError(
                f"more than {MOST_CONNECTIONS} calls at once: the client's pool would make them wait, which is not "
                "modelled; start fewer at a time"
            )
        self.opened += 1
        connection = PooledConnection()
        self.connections.append(connection)
        return connection, True

    def release(self, connection: PooledConnection, now_us: int, *, reusable: bool) -> None:
        """Give `connection` back after its answer; one that may not be reused, or was cut short, is dropped."""
        if reusable:
            connection.idle_since_us = now_us
        else:
            self.connections.remove(connection)
        if reusable and len(self.connections) == 1 <= self.most_idle:
            return  # what has just come back is all there is
        self._drop_expired(now_us / 1e6)
        idle = [held for held in self.connections if held.idle_since_us is not None]
        for surplus in idle[: max(0, len(idle) - self.most_idle)]:
            self.connections.remove(surplus)

    def _drop_expired(self, now_s: float) -> None:
        # Compared in float seconds, as the library does it, so that a tie at the very expiry falls the same way.
        for held in tuple(self.connections):
            if held.idle_since_us is not None and now_s > held.idle_since_us / 1e6 + self._expiry_s:
                self.connections.remove(held)
