"""Where a server listens, and which addresses only this machine can reach."""

from __future__ import annotations

import ssl
from ipaddress import ip_address

from aiohttp import web

from mockllm import MockLLMError

__all__ = ["AddressError", "is_loopback", "listen"]

_BACKLOG = 4096  # a thousand clients that connect at once are let in at once


class AddressError(MockLLMError):
    """An address that cannot, or should not, be listened on."""


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its name `localhost`, or by an address that no other machine can reach."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def listen(runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None = None) -> str:
    """Let `runner`, which is set up, accept connections at `host` and `port` (0: any free one); answers its URL.

    Raises `AddressError` where that fails.
    """
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls, backlog=_BACKLOG).start()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressError(
            f"cannot listen on {host} port {port}: {reason}; choose another with --host or --port"
        ) from None
    name, taken = runner.addresses[0][:2]
    scheme = "http" if tls is None else "https"
    return f"{scheme}://[{name}]:{taken}" if ":" in name else f"{scheme}://{name}:{taken}"
