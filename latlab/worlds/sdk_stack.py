"""The SDK as every world sets it up: the profile's idle expiry, and nothing of the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anthropic
import httpx2

from mockllm.core.profile import Profile

__all__ = ["limits_of", "sdk_on"]

_NO_KEY = "mock"
_CUSTOM_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"


def limits_of(profile: Profile) -> httpx2.Limits:
    """The SDK's own limits, but that idle connections expire when the profile says so."""
    sdk = anthropic.DEFAULT_CONNECTION_LIMITS
    return httpx2.Limits(
        max_connections=sdk.max_connections,
        max_keepalive_connections=sdk.max_keepalive_connections,
        keepalive_expiry=profile.connection.idle_expiry_s.value,
    )


@asynccontextmanager
async def sdk_on(
    transport: httpx2.AsyncBaseTransport, origin: str, max_retries: int
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The SDK's client for the base URL `origin`, sending through `transport`."""
    http = anthropic.DefaultAsyncHttpxClient(transport=transport, base_url=origin)
    with _without(_CUSTOM_HEADERS):
        sdk = anthropic.AsyncAnthropic(api_key=_NO_KEY, base_url=origin, http_client=http, max_retries=max_retries)
    async with sdk:
        yield sdk


@contextmanager
def _without(name: str) -> Iterator[None]:
    """The environment without `name`, which may hold what no mock should see."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value
