from __future__ import annotations

import ssl
import sys

import pytest

from mockllm.server.tls import TlsError, certificate


def test_a_certificate_is_trusted_by_its_own_authority_alone() -> None:
    server, authority = certificate("127.0.0.1", "localhost")
    _, other = certificate("127.0.0.1")
    assert _shakes_hands(server, authority, "127.0.0.1")
    assert _shakes_hands(server, authority, "localhost")
    assert not _shakes_hands(server, other, "127.0.0.1")
    assert not _shakes_hands(server, authority, "example.com")


def _shakes_hands(server: ssl.SSLContext, authority: bytes, host: str) -> bool:
    client = ssl.create_default_context(cadata=authority.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    for _ in range(10):
        for side in (ours, theirs):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                return False
    return done == {ours, theirs}


def test_without_what_makes_certificates_the_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(TlsError, match=r"pip install 'llm-latency-lab\[tls\]'"):
        certificate("127.0.0.1")
