"""Addresses that a virtual loop carries over a Unix socket, so that a client which knows a URL alone reaches the mock.

What such a client asks of TCP (no delay, keep-alive) means nothing on that socket, and is let go.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias
from weakref import WeakSet

__all__ = ["Address", "Routes", "UnixSocket"]

Address: TypeAlias = tuple[str, int]


class Routes:
    """Which addresses lead to which Unix sockets, by the sockets' paths."""

    __slots__ = ("_diverted", "_paths")

    def __init__(self, paths: Mapping[Address, str]) -> None:
        self._paths = dict(paths)
        self._diverted: WeakSet[socket.socket] = WeakSet()

    def __iter__(self) -> Iterator[Address]:
        return iter(self._paths)

    def path(self, host: Any, port: Any) -> str | None:
        """Where the address leads, if it is one of ours."""
        return self._paths.get((host, port))

    def divert(self, sock: socket.socket, to: socket.socket) -> None:
        """Let `sock`, made for TCP and not yet connected, be the connection `to`, which is used up."""
        os.dup2(to.fileno(), sock.fileno(), inheritable=False)
        to.close()
        self._diverted.add(sock)

    def claim(self, sock: socket.socket) -> socket.socket:
        """The connection that `sock` is: where it was diverted, by a socket that knows of it, which takes its place."""
        if sock not in self._diverted:
            return sock
        self._diverted.discard(sock)
        return UnixSocket(fileno=sock.detach())


class UnixSocket(socket.socket):
    """A Unix socket for whoever believes to speak TCP."""

    __slots__ = ()

    def setsockopt(self, level: int, *option: Any) -> None:
        if level == socket.SOL_SOCKET:
            super().setsockopt(level, *option)
