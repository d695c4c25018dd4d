from __future__ import annotations

from mockllm.core.identity import Identity
from mockllm.core.reply import Reply
from mockllm.core.timeline import Timeline
from mockllm.core.usage import Usage
from mockllm.emulator.admission import Answer
from mockllm.server.metrics import Metrics
from mockllm.server.request_log import Entry


def entry(plan: Answer | None = None, **fields: object) -> Entry:
    made = Entry("messages", 0)
    if plan is not None:
        made.planned(plan)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_requests_tokens_faults_and_lateness_are_counted() -> None:
    plan = Answer(
        Identity("a"), Reply("m", "t", (), 7, "end_turn"), Usage(3, 2, 0, 5, 7), Timeline(400_000, 900_000, 7), 0
    )
    metrics = Metrics()
    metrics.count(entry(status=200, plan=plan, stream=True, first_us=400_700))
    metrics.count(entry(status=200, plan=plan, stream=True, first_us=399_999))
    metrics.count(entry(status=529, fault="overloaded"))
    lines = metrics.text().decode().splitlines()
    for line in (
        'mockllm_requests_total{endpoint="messages",status="200"} 2.0',
        'mockllm_requests_total{endpoint="messages",status="529"} 1.0',
        'mockllm_faults_total{kind="overloaded"} 1.0',
        'mockllm_tokens_total{kind="cache_write_1h"} 10.0',
        'mockllm_tokens_total{kind="output"} 14.0',
        'mockllm_planned_ttft_seconds_bucket{le="0.5"} 2.0',
        'mockllm_lateness_seconds_bucket{le="0.0005"} 1.0',
        'mockllm_lateness_seconds_bucket{le="0.001"} 2.0',
    ):
        assert line in lines, line
    assert not [line for line in lines if "cache_write_5m" in line]


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count(entry(status=200))
    assert 'status="200"' in one.text().decode()
    assert 'status="200"' not in other.text().decode()
