"""What only the warp world does; that it is the same experiment as sim is in test_equality."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import anyio
import anyio.from_thread
import anyio.to_thread
import httpx2
import pytest
from aiohttp import web
from profiles_for_tests import make_profile

import latlab.worlds.warp
from latlab import Lab, Script
from latlab.config import BenchmarkConfig
from latlab.worlds.run import Outcome, WorldError
from latlab.worlds.sim import run_sim
from latlab.worlds.warp import run_warp, run_warp_agent
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile
from mockllm.emulator.admission import Emulator
from mockllm.server.application import build_app
from mockllm.server.runs import Runs

JOB_S = 0.05
ASKED: Any = {"model": "test-model", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


async def one_call(lab: Lab) -> None:
    chat = lab.chat()
    chat.user("Hello")
    await lab.complete(chat, expect=Script(20))


def run(scenario: Any = one_call, seed: int = 1, profile: Profile | None = None, **config: Any) -> Outcome:
    return run_warp(scenario, profile or make_profile(), BenchmarkConfig(**config), Draws(seed, 0))


def run_agent(agent: Any, seed: int = 1) -> Outcome:
    return run_warp_agent(agent, make_profile(), BenchmarkConfig(), Draws(seed, 0))


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The headers of every request that the mock was sent."""
    headers: list[dict[str, str]] = []

    def spying(runs: Runs, *, connection_setup: bool) -> web.Application:
        app = build_app(runs, connection_setup=connection_setup)

        async def note(request: web.Request, _: web.StreamResponse) -> None:
            headers.append({name.lower(): value for name, value in request.headers.items()})

        app.on_response_prepare.append(note)
        return app

    monkeypatch.setattr(latlab.worlds.warp, "build_app", spying)
    return headers


def test_nothing_of_the_environment_reaches_the_mock(
    monkeypatch: pytest.MonkeyPatch, received: list[dict[str, str]]
) -> None:
    quiet = run()
    secrets = {
        "ANTHROPIC_API_KEY": "sk-secret-1",
        "ANTHROPIC_AUTH_TOKEN": "secret-2",
        "ANTHROPIC_CUSTOM_HEADERS": "x-secret: secret-3\nx-mockllm-call: secret-4",
        "ANTHROPIC_BASE_URL": "http://secret-5.invalid",
        "ANTHROPIC_PROFILE": "secret-6",
        "HTTP_PROXY": "http://secret-7.invalid:1",
        "http_proxy": "http://secret-7.invalid:1",
        "ALL_PROXY": "http://secret-7.invalid:1",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)

    async def agent(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        await client.messages.create(**ASKED)

    assert run() == quiet
    assert run_agent(agent).error is None
    assert len(received) == 3
    for headers in received:
        assert "secret" not in str(headers)
        sent = {headers[name] for name in ("authorization", "x-api-key") if name in headers}
        assert sent <= {"Bearer mock", "mock"}
        assert sent
    assert {name: os.environ[name] for name in secrets} == secrets


def test_lab_calls_are_never_tried_again_by_the_sdk(
    monkeypatch: pytest.MonkeyPatch, received: list[dict[str, str]]
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("the server has a bug")

    monkeypatch.setattr(Emulator, "plan", broken)
    outcome = run()
    assert outcome.error is not None
    assert outcome.error.startswith("InternalServerError: ")
    assert len(received) == 1


def test_an_agent_waits_for_a_connection_no_longer_than_it_says() -> None:
    async def agent(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        with pytest.raises(anthropic.APITimeoutError):
            await client.with_options(timeout=0.01, max_retries=0).messages.create(**ASKED)
        assert asyncio.get_running_loop().time() == 0.01
        await client.messages.create(**ASKED)

    assert run_agent(agent).error is None


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("timeout_s", [0.01, 0.05, 0.3, 0.7])
def test_a_call_that_the_sdk_gives_up_and_tries_again_is_given_up_in_the_end(timeout_s: float, retries: int) -> None:
    ended: list[float] = []

    async def agent(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        impatient = client.with_options(timeout=timeout_s, max_retries=retries)
        with pytest.raises(anthropic.APITimeoutError):
            await impatient.messages.create(**{**ASKED, "max_tokens": 5000})
        ended.append(asyncio.get_running_loop().time())

    slow = make_profile(tokens_per_s=1.0)
    for _ in range(2):
        assert run_warp_agent(agent, slow, BenchmarkConfig(), Draws(1, 0)).error is None
    assert ended[0] == ended[1] < 10


def test_runs_share_nothing_and_are_the_same_twice() -> None:
    assert run() == run()
    assert run(seed=2) != run()


def test_a_users_random_is_seeded_for_the_run_and_given_back() -> None:
    drawn = []

    async def agent(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        drawn.append(random.random())
        await client.messages.create(**ASKED)

    random.seed(5)
    expected = random.Random(5).random()
    for seed in (1, 1, 2):
        run_agent(agent, seed)
    assert drawn[0] == drawn[1] != drawn[2]
    assert random.random() == expected


def test_the_http_library_has_its_own_clock_back_after_a_run() -> None:
    from httpcore2._async import http11

    before = http11.time
    run()
    assert http11.time is before is time


@pytest.mark.parametrize(
    ("breaks", "says", "hopeless"),
    [
        (lambda: asyncio.Event().wait(), "deadlock at 0.000000 s", True),
        (lambda: asyncio.sleep(100_000), "after 24 h of virtual time", True),
        (lambda: asyncio.wait_for(asyncio.Event().wait(), 1), "TimeoutError (at test_warp.py:", False),
    ],
)
def test_a_run_that_cannot_end_is_an_outcome(breaks: Callable[[], Any], says: str, hopeless: bool) -> None:
    async def scenario(lab: Lab) -> None:
        await breaks()

    outcome = run(scenario)
    assert outcome.run is None
    assert outcome.error is not None
    assert says in outcome.error
    assert outcome.hopeless == hopeless


# Threads of a user's agent


def agent_of(work: Callable[[], Any], log: list[Any]) -> Any:
    """An agent whose tool is a thread's work, with a timer running beside it."""

    async def agent(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        loop: Any = asyncio.get_running_loop()
        begun = loop.now_us()
        timer = loop.call_later(1, lambda: log.append("timer"))
        log.append(await work())
        log.append(loop.now_us() - begun)
        await client.messages.create(**ASKED)
        timer.cancel()

    return agent


def slow() -> str:
    time.sleep(JOB_S)
    return "worked"


@pytest.mark.parametrize(
    "work", [lambda: asyncio.to_thread(slow), lambda: anyio.to_thread.run_sync(slow)], ids=["asyncio", "anyio"]
)
def test_time_stands_still_while_a_thread_works(work: Callable[[], Any]) -> None:
    log: list[Any] = []
    assert run_agent(agent_of(work, log)).error is None
    assert log[:2] == ["worked", 0]


def test_an_anyio_thread_alone_is_no_deadlock() -> None:
    async def scenario(lab: Lab) -> None:
        assert await anyio.to_thread.run_sync(slow) == "worked"

    outcome = run(scenario)
    assert outcome.error is None
    assert outcome.run is not None
    assert outcome.run.total_us == 0


def test_anyio_threads_report_in_the_order_of_their_handing_in() -> None:
    log: list[int] = []
    last = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert last.wait(60)
        elif number == 4:
            last.set()
        return number

    async def scenario(lab: Lab) -> None:
        async def one(number: int) -> None:
            log.append(await anyio.to_thread.run_sync(work, number))

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(one, number)

    assert run(scenario).error is None
    assert log == [0, 1, 2, 3, 4]


def test_an_anyio_thread_may_call_back_keeps_its_context_and_raises_as_it_would() -> None:
    seen: list[Any] = []

    async def scenario(lab: Lab) -> None:
        async def now() -> int:
            return lab.now_us()

        def work() -> None:
            anyio.from_thread.check_cancelled()
            seen.append(anyio.from_thread.run(now))
            seen.append(anyio.from_thread.run_sync(threading.get_ident) == main)
            seen.append(threading.get_ident() == main)
            seen.append(lab.config.lab is lab)
            raise LookupError("nothing there")

        main = threading.get_ident()
        with pytest.raises(LookupError):
            await anyio.to_thread.run_sync(work)

    assert run(scenario).error is None
    assert seen == [0, True, False, True]


def test_an_anyio_limiter_holds_and_a_cancelled_thread_is_waited_for_unless_abandoned() -> None:
    log: list[Any] = []

    async def scenario(lab: Lab) -> None:
        limiter = anyio.CapacityLimiter(1)
        async with limiter:
            # Whoever holds the only place sleeps in virtual time, so the waiting job must not stop the clock.
            waiting = asyncio.create_task(anyio.to_thread.run_sync(slow, limiter=limiter))
            await asyncio.sleep(1)
            log.append(waiting.done())
        log.append(await waiting)
        with anyio.move_on_after(0):
            log.append(await anyio.to_thread.run_sync(slow))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.to_thread.run_sync(slow, abandon_on_cancel=True)
        log.append(lab.now_us())

    assert run(scenario).error is None
    assert log[:2] == [False, "worked"]
    assert log[-1] == 1_000_000


def test_anyio_has_its_own_threads_back_after_a_run() -> None:
    from anyio._backends._asyncio import AsyncIOBackend

    before = AsyncIOBackend.__dict__["run_sync_in_worker_thread"]
    run()
    assert AsyncIOBackend.__dict__["run_sync_in_worker_thread"] is before
    assert asyncio.run(anyio.to_thread.run_sync(slow)) == "worked"


# Nothing is left behind


def descriptors() -> int:
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_fifty_runs_leave_no_file_no_thread_and_no_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run()
    before, threads = descriptors(), threading.active_count()
    for seed in range(50):
        run(seed=seed, streaming=True, connection_reuse=bool(seed % 2))
    assert descriptors() <= before
    assert threading.active_count() <= threads
    assert list(tmp_path.iterdir()) == []


def test_runs_that_fail_leave_no_file_either() -> None:
    async def stuck(lab: Lab) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(one_call(lab))
            await asyncio.sleep(0.01)
            raise LookupError

    run(stuck)
    before = descriptors()
    for _ in range(10):
        assert run(stuck).error is not None
    assert descriptors() <= before


def test_the_agent_is_given_the_sdks_own_defaults() -> None:
    seen: list[Any] = []

    async def agent(client: anthropic.AsyncAnthropic, config: BenchmarkConfig) -> None:
        seen.append((type(client), client.max_retries, client.timeout))

    run_agent(agent)
    plain = anthropic.AsyncAnthropic(api_key="k")
    assert seen == [(anthropic.AsyncAnthropic, plain.max_retries, plain.timeout)]
    asyncio.run(plain.close())
    assert isinstance(plain.timeout, httpx2.Timeout)


def test_a_fault_of_the_machine_is_no_outcome_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    async def nothing(lab: Lab) -> None:
        return None

    with pytest.raises(WorldError, match=r"set TMPDIR to a short, writable folder$"):
        run_warp(nothing, make_profile(), BenchmarkConfig(), Draws(1, 0))


def test_a_scenario_that_draws_at_random_has_the_same_luck_in_sim_and_warp() -> None:
    async def roll(lab: Lab) -> None:
        chat = lab.chat()
        chat.user("Hello")
        await asyncio.sleep(random.random())
        await lab.complete(chat, expect=Script(random.randint(1, 500)))

    ran = [run(roll, make_profile(), BenchmarkConfig(), Draws(1, 3)) for run in (run_sim, run_warp)]
    assert ran[0].error is None
    assert ran[0] == ran[1]


def test_an_agent_is_answered_by_the_profile_s_model_whichever_it_names() -> None:
    answered = []

    async def agent(client: Any, config: BenchmarkConfig) -> None:
        told = await client.messages.create(
            model="claude-of-another-day", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
        )
        answered.append(told.model)

    assert run_warp_agent(agent, make_profile(), BenchmarkConfig(), Draws(1, 0)).error is None
    assert answered == [make_profile().model]


def test_an_agent_that_makes_a_client_of_its_own_is_told_to_use_the_one_it_is_handed() -> None:
    async def agent(client: Any, config: BenchmarkConfig) -> None:
        own = anthropic.AsyncAnthropic(api_key="k", base_url="http://127.0.0.1:9", max_retries=0)
        await own.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])

    outcome = run_warp_agent(agent, make_profile(), BenchmarkConfig(), Draws(1, 0))
    assert "use the client that run(client, config) is handed" in str(outcome.error)
