from __future__ import annotations

import pytest

import mockllm.server.request_log
from mockllm.core.identity import Identity
from mockllm.core.reply import Reply
from mockllm.core.timeline import Timeline
from mockllm.core.usage import Usage
from mockllm.emulator.admission import Answer
from mockllm.server.request_log import KeptBodies, RequestLog

PLAN = Answer(
    Identity("main/turn-1", 1),
    Reply("msg_01", "test-model", (), 7, "end_turn"),
    Usage(3, 2, 1, 0, 7),
    Timeline(500_000, 900_000, 7),
    1_000_000,
)


def test_an_entry_says_plan_and_actual_and_how_late_the_server_was() -> None:
    entry = RequestLog().open("messages", 999_000, b"{}")
    entry.identity, entry.model, entry.stream, entry.status = PLAN.identity, "test-model", True, 200
    entry.planned(PLAN)
    entry.first_us, entry.end_us = 1_500_250, 1_900_100
    assert entry.facts() == {
        "endpoint": "messages",
        "call": "main/turn-1",
        "attempt": 1,
        "model": "test-model",
        "stream": True,
        "status": 200,
        "fault": None,
        "error": None,
        "arrived_s": 0.999,
        "admitted_s": 1.0,
        "planned": {"first_s": 1.5, "end_s": 1.9, "stop_reason": "end_turn"},
        "actual": {"first_s": 1.50025, "end_s": 1.9001},
        "first_late_s": 0.00025,
        "usage": {
            "input_tokens": 3,
            "read_tokens": 2,
            "write_5m_tokens": 1,
            "write_1h_tokens": 0,
            "output_tokens": 7,
        },
    }


def test_without_a_stream_the_first_byte_is_due_at_the_end() -> None:
    entry = RequestLog().open("messages", 0, b"")
    entry.planned(PLAN)
    entry.first_us = 1_900_040
    assert entry.first_late_us == 40


def test_a_fault_has_no_lateness_and_a_refusal_neither_plan_nor_usage() -> None:
    entry = RequestLog().open("messages", 0, b"")
    assert (entry.first_late_us, entry.usage, entry.facts()["planned"]) == (None, None, None)
    entry.planned(PLAN)
    entry.first_us, entry.fault = 5_000_000, "stall"
    assert entry.first_late_us is None


def test_the_log_keeps_the_last_entries_and_the_bodies_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mockllm.server.request_log, "_MOST_BODY_BYTES", 100)
    log = RequestLog()
    for number in range(10_050):
        log.open("messages", number, b"x" * 30)
    entries = list(log)
    assert (log.total, len(log), entries[0].arrived_us) == (10_050, 10_000, 50)
    assert [len(entry.body) for entry in entries[-5:]] == [0, 0, 30, 30, 30]


def test_a_body_that_is_larger_than_all_room_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mockllm.server.request_log, "_MOST_BODY_BYTES", 100)
    log = RequestLog()
    assert log.open("messages", 0, b"x" * 101).body == b""
    assert log.open("messages", 0, b"x" * 100).body == b"x" * 100


def test_the_bodies_of_all_runs_share_one_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mockllm.server.request_log, "_MOST_BODY_BYTES", 100)
    kept = KeptBodies()
    one, other = RequestLog(kept), RequestLog(kept)
    first = one.open("messages", 0, b"x" * 60)
    second = other.open("messages", 0, b"x" * 60)
    assert (len(first.body), len(second.body)) == (0, 60)
