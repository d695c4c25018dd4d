"""What the lab asks of a mock in another process: a run of its own, what to answer there, and what became of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from latlab.config import BenchmarkConfig
from latlab.worlds.raw_client import Address, connect
from latlab.worlds.raw_http import RawConnection, request_bytes
from latlab.worlds.run import WorldError
from mockllm.core.clock import Clock
from mockllm.core.draws import Draws
from mockllm.core.reply import Script, ToolRequest

__all__ = ["RunControl", "opened_run"]

_OK = 200


class RunControl:
    """One run on the server, over a connection of its own, so that the pool of the client under test is left alone."""

    def __init__(self, connection: RawConnection, address: Address) -> None:
        self._connection = connection
        self.address = address
        self._left: dict[str, dict[str, Any]] = {}

    async def leave_ahead(self, scripts: Mapping[str, Script]) -> None:
        """Leave what will be said to each call path, all at once, before time begins."""
        self._left = {path: _expectation(path, script) for path, script in scripts.items()}
        await self._leave_all()

    async def leave(self, path: str, script: Script) -> None:
        """What will be said to the next call of the name `path`, unless just that was left for it ahead."""
        wanted = _expectation(path, script)
        ahead = self._left.pop(path, None)
        if ahead == wanted:
            return
        if ahead is not None:  # it is to be said no more, and the others still are
            await self._ask("DELETE", "/_mock/expect")
            await self._leave_all()
        await self._ask("POST", "/_mock/expect", wanted)

    async def _leave_all(self) -> None:
        if self._left:
            await self._ask("POST", "/_mock/expect", list(self._left.values()))

    async def requests(self) -> list[dict[str, Any]]:
        """The run's log of requests."""
        found: list[dict[str, Any]] = (await self._ask("GET", "/_mock/requests"))["requests"]
        return found

    async def close(self) -> None:
        """Let the server forget the run."""
        await self._ask("DELETE", "/_mock/runs")

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        return await _ask(self._connection, self.address, method, path, body)


@asynccontextmanager
async def opened_run(
    address: Address, name: str, config: BenchmarkConfig, draws: Draws, clock: Clock
) -> AsyncIterator[RunControl]:
    """The run `name` at `address`, with the luck of `draws`, until it is closed."""
    spec = {
        "name": name,
        "seed": draws.seed,
        "run": draws.run,
        "plausible": draws.plausible,
        "cache_start": config.cache_start,
    }
    connection = await connect(address, clock)
    try:
        await _ask(connection, Address(address.host, address.port), "POST", "/_mock/runs", spec)
        control = RunControl(connection, address)
        yield control
        await control.close()
    finally:
        connection.close()


def _expectation(path: str, script: Script) -> dict[str, Any]:
    calls = [use if isinstance(use, ToolRequest) else ToolRequest.of(*use) for use in script.tool_uses]
    reply: dict[str, Any] = {"tool_calls": [{"name": call.name, "arguments": call.arguments} for call in calls]}
    if script.text is None:
        reply["output_tokens"] = max(1, script.output_tokens)  # an answer of no token is one of one (core.reply)
    else:
        reply["text"] = script.text
    if script.thinking_tokens:
        reply["thinking_tokens"] = script.thinking_tokens
    return {"call": path, "reply": reply}


async def _ask(connection: RawConnection, address: Address, method: str, path: str, body: object = None) -> Any:
    said: list[bytes] = []
    content = b"" if body is None else json.dumps(body).encode()
    host = f"{address.host}:{address.port}"
    headers = {"content-type": "application/json"}
    asked = request_bytes(method, address.prefix + path, host, headers, content)
    response = await connection.exchange(asked, lambda data, _: said.append(data))
    answered = b"".join(said)
    if response.status != _OK:
        raise WorldError(f"the mock refuses {method} {path}: {answered[:200].decode('utf-8', 'replace')}")
    return json.loads(answered)
