"""Real TLS with a certificate of its own: made when the server starts, and worth nothing anywhere else."""

from __future__ import annotations

import ssl

from mockllm import MockLLMError

__all__ = ["TlsError", "certificate"]


class TlsError(MockLLMError):
    """TLS was asked for, and what makes certificates is not installed."""


def certificate(*hosts: str) -> tuple[ssl.SSLContext, bytes]:
    """A context that serves `hosts`, and the authority to be trusted for it, in PEM. Raises `TlsError`."""
    try:
        import trustme
    except ImportError:
        raise TlsError(
            "--tls: needs the package trustme; install it with: pip install 'llm-latency-lab[tls]'"
        ) from None
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    return context, authority.cert_pem.bytes()
