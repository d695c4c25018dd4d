"""The server on a virtual loop with OpenAI's real SDK before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
from openai import AsyncOpenAI
from server_for_tests import _PLATFORM, Served, in_warp

__all__ = ["ASKED", "KEY", "WEATHER", "openai_in_warp"]

T = TypeVar("T")
KEY = {"authorization": "Bearer key"}
ASKED: dict[str, Any] = {"model": "test-model", "messages": [{"role": "user", "content": "Is it late?"}]}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Today's weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def openai_in_warp(talk: Callable[[AsyncOpenAI, Served], Awaitable[T]], **served: Any) -> T:
    """What `talk` returns of the SDK and the server, run in virtual time; `served` as `in_warp` takes it."""

    async def with_sdk(server: Served) -> T:
        async with httpx2.AsyncClient(transport=server.http._transport, timeout=None) as http:
            sdk = AsyncOpenAI(api_key="key", base_url="http://localhost/v1", max_retries=0, http_client=http)
            sdk._platform = _PLATFORM
            return await talk(sdk, server)

    return in_warp(with_sdk, **served)
