"""The client port on the real SDK, the same in every world that speaks HTTP.

Its stamps are the client's own, taken as the SDK hands over headers and events, and its usage is what the SDK reports;
nothing here knows what the server planned.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
from anthropic.types import Message

from latlab.client import Call, Exchange
from latlab.worlds.messages import body_of
from latlab.worlds.transport import WIRE, Wire
from mockllm.core.clock import Clock
from mockllm.core.identity import CALL_HEADER
from mockllm.core.reply import Reply, Script, Text, ToolUse
from mockllm.core.request import TokenCounter, canonical
from mockllm.core.usage import Usage

__all__ = ["SdkClient", "is_visible"]


class SdkClient:
    """Sends calls through an `AsyncAnthropic`; `leave_script` tells the mock, ahead of a call, what to answer."""

    def __init__(
        self,
        sdk: anthropic.AsyncAnthropic,
        model: str,
        clock: Clock,
        counter: TokenCounter,
        leave_script: Callable[[str, Script], Awaitable[None]],
    ) -> None:
        self._sdk = sdk
        self._model = model
        self._clock = clock
        self._counter = counter
        self._leave_script = leave_script

    async def send(self, call: Call) -> Exchange:
        try:
            return await self._exchange(call)
        finally:
            # Calls that end at one instant, answered or given up, hand over in the order of their names; the order in
            # which sockets are read and closed is nobody's.
            await self._clock.settle((call.path, call.attempt))

    async def _exchange(self, call: Call) -> Exchange:
        await self._leave_script(call.path, call.script)
        start_us = self._clock.now_us()
        wire = Wire()
        WIRE.set(wire)
        headers = {CALL_HEADER: call.path} | ({} if call.reuse_connection else {"connection": "close"})
        body = body_of(call, self._model, self._counter)
        if call.stream:
            message, first_us = await self._stream(body, headers)
        else:
            message, first_us = await self._sdk.messages.create(**body, extra_headers=headers), None
        end_us = self._clock.now_us()
        return Exchange(
            _reply(message),
            _usage(message),
            start_us,
            wire.connect_us,
            wire.opened,
            wire.headers_us,
            end_us if first_us is None else first_us,
            end_us,
        )

    async def _stream(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[Message, int | None]:
        first_us = None
        async with self._sdk.messages.stream(**body, extra_headers=headers) as stream:
            async for event in stream:
                if first_us is None and is_visible(event):
                    first_us = self._clock.now_us()
            return await stream.get_final_message(), first_us


def is_visible(event: Any) -> bool:
    """Whether the user sees something of this event: text, or the first byte of a tool call (TTFT's definition)."""
    if event.type == "content_block_start":
        return bool(event.content_block.type == "tool_use")
    return event.type == "content_block_delta" and bool(
        getattr(event.delta, "text", "") or getattr(event.delta, "partial_json", "")
    )


def _reply(message: Message) -> Reply:
    parts: list[Text | ToolUse] = []
    for block in message.content:
        if block.type == "text":
            parts.append(Text(block.text))
        elif block.type == "tool_use":
            arguments = block.input
            assert isinstance(arguments, dict)
            parts.append(ToolUse(block.id, block.name, arguments, canonical(arguments)))
    return Reply(message.id, message.model, tuple(parts), message.usage.output_tokens, message.stop_reason or "")


def _usage(message: Message) -> Usage:
    usage = message.usage
    written = usage.cache_creation
    return Usage(
        usage.input_tokens,
        usage.cache_read_input_tokens or 0,
        written.ephemeral_5m_input_tokens if written else usage.cache_creation_input_tokens or 0,
        written.ephemeral_1h_input_tokens if written else 0,
        usage.output_tokens,
    )
