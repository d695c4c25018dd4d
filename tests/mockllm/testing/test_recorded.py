from __future__ import annotations

from profiles_for_tests import make_profile

from mockllm.clock.sim_loop import SimLoop
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.reply import Script
from mockllm.core.request import Prefix, Request, scope
from mockllm.core.usage import Usage
from mockllm.emulator.admission import Emulator
from mockllm.server.request_log import Entry
from mockllm.testing.recorded import record

PROFILE = make_profile()


def answered(*, stream: bool, first_late_us: int = 0) -> Entry:
    """The log's entry of a request that arrived after a second and whose answer's first byte came so much late."""
    loop = SimLoop()  # type: ignore[abstract]  # a plan needs a clock, and nobody waits here
    emulator = Emulator(PROFILE, Draws(1, 0), loop, lambda _: Script(20))
    identity = Identity("main/turn-1", 2)
    prefix = Prefix(scope("test-model"))
    request = Request(identity, "test-model", prefix, 0, (), 100, stream, (), False, 1000)
    plan = emulator.plan(request)._replace(admitted_us=1_500_000)
    entry = Entry("messages", 1_000_000, b'{"model": "test-model"}', identity, "test-model", stream, status=200)
    entry.planned(plan)
    entry.first_us = (plan.first_us if stream else plan.end_us) + first_late_us
    entry.end_us = plan.end_us
    return entry


def test_times_run_from_the_arrival_and_the_plan_stands_beside_them() -> None:
    entry = answered(stream=True, first_late_us=250)
    assert entry.due_first_us is not None
    assert entry.due_end_us is not None
    one = record(entry, PROFILE.price)
    planned_us = entry.due_first_us - 1_000_000
    assert (one.endpoint, one.call, one.attempt, one.model) == ("messages", "main/turn-1", 2, "test-model")
    assert (one.arrived_s, one.planned_ttft_s, one.ttft_s) == (
        1.0, planned_us / 1e6, (planned_us + 250) / 1e6,
    )  # fmt: skip
    assert one.total_s == one.planned_total_s == (entry.due_end_us - 1_000_000) / 1e6
    assert one.body == {"model": "test-model"}
    assert one.usage == entry.usage == Usage(1000, 0, 0, 0, 20)
    assert one.cost_usd == (1000 * 2000 + 20 * 10_000) / 1e9


def test_without_streaming_the_first_token_comes_with_the_whole_answer() -> None:
    one = record(answered(stream=False), PROFILE.price)
    assert one.ttft_s == one.planned_ttft_s == one.total_s


def test_headers_that_come_before_the_first_token_are_no_token() -> None:
    one = record(answered(stream=True, first_late_us=-100_000), PROFILE.price)
    assert one.ttft_s == one.planned_ttft_s


def test_what_has_not_come_about_is_none() -> None:
    one = record(Entry("messages", 0, b"\xff{"), PROFILE.price)
    assert (one.status, one.usage, one.ttft_s, one.total_s, one.planned_ttft_s, one.planned_total_s) == (
        0, None, None, None, None, None,
    )  # fmt: skip
    assert (one.cost_usd, one.call, one.attempt, one.body) == (0.0, "", 0, "\ufffd{")
