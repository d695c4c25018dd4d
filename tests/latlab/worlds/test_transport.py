from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles_for_tests import make_profile
from server_for_tests import Served, in_warp

from latlab.worlds.transport import WIRE, NamingTransport, Wire
from mockllm.clock.warp_loop import WarpLoop
from mockllm.core.connections import SetupCost
from mockllm.core.draws import Draws
from mockllm.core.identity import CALL_HEADER, Identity

SETUP = SetupCost(make_profile().connection)
DRAWS = Draws(1, 0)


class Entered(httpx2.AsyncBaseTransport):
    """Notes who comes in, and answers at once."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.names.append(request.headers.get(CALL_HEADER, "none"))
        return httpx2.Response(200)


@given(st.permutations(["a/turn-0", "a/turn-1", "b/turn-0", "b/turn-10", "b/turn-2"]))
@settings(max_examples=20)
def test_requests_of_one_instant_enter_the_pool_in_the_order_of_their_names(names: list[str]) -> None:
    entered = Entered()
    loop = WarpLoop()

    async def ask(name: str) -> None:
        request = httpx2.Request("POST", "http://localhost/", headers={CALL_HEADER: name})
        await NamingTransport(entered, loop, DRAWS, SETUP).handle_async_request(request)

    async def main() -> None:
        await asyncio.gather(*map(ask, names))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    assert entered.names == sorted(names)


@asynccontextmanager
async def named(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    inner = httpx2.AsyncHTTPTransport(uds=str(served.socket))
    transport = NamingTransport(inner, served.loop, DRAWS, SETUP)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=None) as client:
        yield client


async def get(client: httpx2.AsyncClient, name: str | None, **headers: str) -> Wire:
    wire = Wire()
    WIRE.set(wire)
    response = await client.get("/health", headers=headers | ({CALL_HEADER: name} if name else {}))
    assert response.status_code == 200
    return wire


def test_a_connection_is_paid_for_by_the_call_that_opens_it() -> None:
    async def talk(served: Served) -> None:
        async with named(served) as client:
            first, second = await get(client, "a/turn-0"), await get(client, "a/turn-1")
        cost_us = SETUP.draw_us(DRAWS, Identity("a/turn-0"))
        assert (first.opened, first.connect_us, first.headers_us) == (True, cost_us, cost_us)
        assert (second.opened, second.connect_us, second.headers_us) == (False, 0, cost_us)

    in_warp(talk)


def test_a_call_that_keeps_no_connection_leaves_none_for_the_next() -> None:
    async def talk(served: Served) -> None:
        async with named(served) as client:
            await get(client, "a/turn-0", connection="close")
            assert (await get(client, "a/turn-1")).opened

    in_warp(talk)


def test_calls_at_once_open_a_connection_each_and_stamps_are_not_mixed() -> None:
    async def talk(served: Served) -> None:
        async with named(served) as client:
            names = [f"agent-{number}/turn-0" for number in range(5)]
            tasks = [asyncio.create_task(get(client, name)) for name in names]
            for name, wire in zip(names, await asyncio.gather(*tasks), strict=True):
                assert wire.opened
                assert wire.connect_us == wire.headers_us == SETUP.draw_us(DRAWS, Identity(name))

    in_warp(talk)


def test_a_request_without_a_name_is_named_by_where_it_goes() -> None:
    async def talk(served: Served) -> None:
        async with named(served) as client:
            assert (await get(client, None)).connect_us == SETUP.draw_us(DRAWS, Identity("GET /health"))

    in_warp(talk)


def test_a_request_outside_any_call_is_served_too() -> None:
    async def talk(served: Served) -> None:
        async with named(served) as client:
            response = await asyncio.create_task(client.get("/health"))
            assert response.status_code == 200

    in_warp(talk)


def test_closing_it_closes_what_it_wraps() -> None:
    closed = []

    class Inner(Entered):
        async def aclose(self) -> None:
            closed.append(True)

    async def main(loop: asyncio.AbstractEventLoop) -> None:
        assert isinstance(loop, WarpLoop)
        async with NamingTransport(Inner(), loop, DRAWS, SETUP):
            pass

    loop = WarpLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main(loop))
    assert closed == [True]


@pytest.mark.parametrize("mistake", ["", "a b"])
def test_a_bad_name_is_the_servers_to_refuse(mistake: str) -> None:
    async def talk(served: Served) -> int:
        async with named(served) as client:
            body = {"model": "test-model", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
            headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", CALL_HEADER: mistake}
            return (await client.post("/v1/messages", json=body, headers=headers)).status_code

    assert in_warp(talk) == 400
