"""What code that asks no loop can reach during a study. The far addresses are of RFC 5737 and 3849: nobody's."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from latlab.harness.loopback import loopback_only
from mockllm.clock.warp_loop import NoNetworkError

FAR = ("192.0.2.1", 9)


def _connect(*address: Any, family: int = socket.AF_INET) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as client:  # so that nothing is sent even where nobody refuses
        client.connect(address)


def _connect_ex() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect_ex(FAR)


def _send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"", FAR)


def _send_message() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendmsg([b""], [], 0, FAR)


@pytest.mark.parametrize(
    "leave",
    [
        lambda: _connect(*FAR),
        lambda: _connect("2001:db8::1", 9, family=socket.AF_INET6),
        lambda: _connect("somewhere.invalid", 9),
        _connect_ex,
        _send,
        lambda: _send_message(),
        lambda: socket.gethostbyname("somewhere.invalid"),
        lambda: socket.getaddrinfo("somewhere.invalid", 443),
        lambda: socket.getaddrinfo(b"192.0.2.1", 443),
        lambda: socket.create_connection(("somewhere.invalid", 443)),
    ],
)
def test_no_other_host_is_reached(leave: Callable[[], object]) -> None:
    with loopback_only(), pytest.raises(NoNetworkError, match="has no network"):
        leave()


def test_this_machine_is_reached(tmp_path: Path) -> None:
    with loopback_only(), socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "LocalHost", "0.0.0.0"):
            socket.create_connection((host, port)).close()
        assert socket.getaddrinfo(None, port)
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(str(tmp_path / "s"))
            listener.listen()
            client.connect(str(tmp_path / "s"))


def test_sockets_are_afterwards_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def somebodys(self: socket.socket, address: Any) -> None: ...

    monkeypatch.setattr(socket.socket, "connect", somebodys)
    before, lookup = dict(vars(socket.socket)), socket.getaddrinfo
    with loopback_only():
        assert socket.socket.connect is not somebodys
    assert dict(vars(socket.socket)) == before
    assert socket.getaddrinfo is lookup
