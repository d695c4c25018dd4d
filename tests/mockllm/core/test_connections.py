"""The pool model: each rule by itself, and random schedules against the SDK's own HTTP library."""

from __future__ import annotations

import asyncio
from statistics import median
from types import SimpleNamespace
from typing import Any

import httpcore2
import httpcore2._async.http11 as http11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.connections import MOST_CONNECTIONS, ConnectionPool, PooledConnection, PoolExhaustedError, SetupCost
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity

EXPIRY_US = 5_000_000


def test_a_connection_is_new_while_every_other_is_taken() -> None:
    pool = ConnectionPool(5.0)
    (first, new), (second, also_new) = pool.take(0), pool.take(0)
    assert new
    assert also_new
    assert first is not second
    assert pool.opened == 2


def test_the_idle_connection_opened_first_is_taken_first_whichever_idled_last() -> None:
    pool = ConnectionPool(5.0)
    first, second, third = (pool.take(0)[0] for _ in range(3))
    for number, connection in enumerate((second, third, first)):
        pool.release(connection, number, reusable=True)
    assert [pool.take(10) for _ in range(3)] == [(first, False), (second, False), (third, False)]
    assert pool.opened == 3


def test_a_connection_lives_through_its_idle_expiry_and_not_beyond() -> None:
    for idle_us, new in ((EXPIRY_US, False), (EXPIRY_US + 1, True)):
        pool = ConnectionPool(5.0)
        pool.release(pool.take(0)[0], 0, reusable=True)
        assert pool.take(idle_us)[1] is new


def _ties(sign: int) -> list[int]:
    """Moments at which float seconds put the release plus five seconds just before or after that very moment."""
    found = []
    for at_us in range(100_001, 200_000_000, 99_991):
        exactly, summed = (at_us + EXPIRY_US) / 1e6, at_us / 1e6 + 5.0
        if (exactly > summed) - (exactly < summed) == sign:
            found.append(at_us)
    return found[:20]


@pytest.mark.parametrize(("sign", "new"), [(1, True), (0, False), (-1, False)])
def test_a_tie_at_the_expiry_falls_as_the_librarys_float_seconds_fall(sign, new) -> None:
    ties = _ties(sign)
    assert ties
    for released_us in ties:
        pool = ConnectionPool(5.0)
        pool.release(pool.take(0)[0], released_us, reusable=True)
        assert pool.take(released_us + EXPIRY_US)[1] is new


def test_idling_counts_from_the_last_release() -> None:
    pool = ConnectionPool(5.0)
    for moment in range(0, 10 * EXPIRY_US, EXPIRY_US):
        connection, new = pool.take(moment)
        assert new is (moment == 0)
        pool.release(connection, moment, reusable=True)


def test_a_taken_connection_never_expires() -> None:
    pool = ConnectionPool(5.0)
    connection, _ = pool.take(0)
    pool.release(connection, 100 * EXPIRY_US, reusable=True)
    assert pool.take(100 * EXPIRY_US) == (connection, False)


def test_a_connection_that_was_cut_short_is_dropped() -> None:
    pool = ConnectionPool(5.0)
    pool.release(pool.take(0)[0], 1, reusable=False)
    assert pool.connections == []
    assert pool.take(1)[1]


def test_no_more_than_the_limit_stay_idle_and_those_opened_first_go() -> None:
    pool = ConnectionPool(5.0, most_idle=2)
    taken = [pool.take(0)[0] for _ in range(4)]
    for connection in taken:
        pool.release(connection, 1, reusable=True)
    assert pool.connections == taken[2:]


def test_set_up_is_drawn_for_the_call_that_opens_the_connection() -> None:
    cost = SetupCost(make_profile().connection)
    drawn = [cost.draw_us(Draws(1, run), Identity("main/turn-1")) for run in range(2000)]
    assert median(drawn) == pytest.approx(80_000, rel=0.02)
    assert drawn[7] == cost.draw_us(Draws(1, 7), Identity("main/turn-1"))
    assert drawn[7] != cost.draw_us(Draws(1, 7), Identity("main/turn-1", 1))
    assert {type(value) for value in drawn} == {int}


class LibraryPool:
    """The library's pool over its own mock network, answering like the model: numbers of connections."""

    URL = "http://mock/v1/messages"
    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, expiry_s: float, most_idle: int) -> None:
        self.pool = httpcore2.AsyncConnectionPool(
            max_connections=1000,
            max_keepalive_connections=most_idle,
            keepalive_expiry=expiry_s,
            network_backend=httpcore2.AsyncMockBackend([self.ANSWER] * 200),
        )
        self.streams: list[Any] = []

    async def take(self) -> tuple[int, bool, Any]:
        response = await self.pool.handle_async_request(httpcore2.Request("POST", self.URL, headers=[("Host", "mock")]))
        stream = response.extensions["network_stream"]
        new = stream not in self.streams
        if new:
            self.streams.append(stream)
        return self.streams.index(stream), new, response

    async def release(self, response: Any, *, reusable: bool) -> None:
        if reusable:
            await response.aread()
        await response.aclose()


PAUSES_US = st.sampled_from([0, 0, 1, 3, 999_999, 1_234_567, EXPIRY_US - 1, EXPIRY_US, EXPIRY_US, EXPIRY_US + 1])
TAKE = st.tuples(st.just("take"), PAUSES_US, st.just(0), st.just(True))
RELEASE = st.tuples(st.just("release"), PAUSES_US, st.integers(0, 5), st.sampled_from([True, True, True, False]))
SCHEDULES = st.lists(TAKE | RELEASE, min_size=1, max_size=25)


@settings(max_examples=200)
@given(start_us=st.integers(0, 10**9), schedule=SCHEDULES, most_idle=st.sampled_from([1, 2, 100]))
def test_any_schedule_takes_the_connections_that_the_library_takes(start_us, schedule, most_idle) -> None:
    asyncio.run(_compare(start_us, schedule, most_idle))


async def _compare(start_us: int, schedule: list[tuple[str, int, int, bool]], most_idle: int) -> None:
    now_us = start_us
    model, library = ConnectionPool(5.0, most_idle), LibraryPool(5.0, most_idle)
    opened: list[PooledConnection] = []
    held: list[tuple[PooledConnection, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http11, "time", SimpleNamespace(monotonic=lambda: now_us / 1e6))
        for action, pause_us, which, reusable in schedule:
            now_us += pause_us
            if action == "take":
                connection, new = model.take(now_us)
                if new:
                    opened.append(connection)
                number, really_new, response = await library.take()
                assert (opened.index(connection), new) == (number, really_new)
                held.append((connection, response))
            elif held:
                connection, response = held.pop(which % len(held))
                model.release(connection, now_us, reusable=reusable)
                await library.release(response, reusable=reusable)
            assert len(model.connections) == len(library.pool.connections)
    assert model.opened == len(library.streams)


def test_more_connections_than_the_client_opens_are_refused_in_one_line() -> None:
    pool = ConnectionPool(5.0)
    for _ in range(MOST_CONNECTIONS):
        pool.take(0)
    with pytest.raises(PoolExhaustedError, match=r"more than 1000 calls at once: .*; start fewer at a time$"):
        pool.take(0)


def test_a_set_up_of_median_0_costs_nothing_whatever_the_luck() -> None:
    cost = SetupCost(make_profile(setup_s=0.0, setup_sigma=0.3).connection)
    assert {cost.draw_us(Draws(1, run), Identity("a")) for run in range(100)} == {0}
