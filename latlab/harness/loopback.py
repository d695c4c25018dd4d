"""Sockets that a scenario or an agent opens without asking its loop: in a study they reach this machine and no other.

The loops refuse connections of their own making. A synchronous client or a thread asks no loop; it would wait in real
time, and might take a user's key to whoever answers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from mockllm.clock.warp_loop import no_network

__all__ = ["loopback_only"]

_WAYS_OUT = ("connect", "connect_ex", "sendto", "sendmsg")
_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")
_INTERNET = (socket.AF_INET, socket.AF_INET6)


@contextmanager
def loopback_only() -> Iterator[None]:
    """While this lasts, whoever connects, sends or asks for a name beyond this machine gets a `NoNetworkError`."""
    own = {name: vars(socket.socket).get(name) for name in _WAYS_OUT}
    lookups = {name: getattr(socket, name) for name in _LOOKUPS}
    for name in _WAYS_OUT:
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    for name, lookup in lookups.items():
        setattr(socket, name, _guarded_lookup(lookup))
    try:
        yield
    finally:
        for name, lookup in lookups.items():
            setattr(socket, name, lookup)
        for name, method in own.items():
            if method is None:  # it was inherited, and is again
                delattr(socket.socket, name)
            else:
                setattr(socket.socket, name, method)


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1] if args else None
        if self.family in _INTERNET and isinstance(address, tuple) and not _is_here(address[0]):
            raise no_network(address)
        return method(self, *args)

    return guarded


def _guarded_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **options: Any) -> Any:
        if host and not _is_here(host):
            raise no_network(host)
        return lookup(host, *args, **options)

    return guarded


def _is_here(host: Any) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name.lower() in ("", "localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
