from __future__ import annotations

from typing import Any

import pytest

from latlab.worlds.served import ServedCall, served_call


def facts(**changes: Any) -> dict[str, Any]:
    """An entry of the server's log (mockllm.server.request_log)."""
    usage = {"input_tokens": 1, "read_tokens": 2, "write_5m_tokens": 3, "write_1h_tokens": 4, "output_tokens": 5}
    return {
        "call": "main/turn-0",
        "attempt": 0,
        "stream": True,
        "error": None,
        "arrived_s": 1.0,
        "admitted_s": 1.1,
        "planned": {"first_s": 2.1, "end_s": 3.1},
        "actual": {"first_s": 2.1002, "end_s": 3.1003},
        "usage": usage,
    } | changes


def test_offsets_count_from_admission_and_lateness_from_the_plan() -> None:
    expected = ServedCall("main/turn-0", 0, 1, 100_000, 1_000_000, 2_000_000, 1, 2, 3, 4, 5, 200, 300, 70)
    assert served_call(facts(), 70) == expected


def test_a_whole_answer_begins_where_it_ends() -> None:
    found = served_call(facts(stream=False, actual={"first_s": 3.1003, "end_s": 3.1003}), None)
    assert found is not None
    assert (found.first_late_us, found.end_late_us, found.sdk_us) == (300, 300, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"planned": None, "usage": None, "admitted_s": None},
        {"actual": {"first_s": 2.1, "end_s": None}},
        {"error": "the client went away"},
    ],
    ids=["refused", "not ended", "given up"],
)
def test_what_was_not_answered_to_its_end_has_no_account(changes: dict[str, Any]) -> None:
    assert served_call(facts(**changes), None) is None
