from __future__ import annotations

from typing import Any

import pytest

from latlab.harness.reporter.real_time import pace, real_time


def spread(p50: float, p99: float | None = None) -> dict[str, Any]:
    return {"n": 12, "p50": p50, "p99": p99, "max": 2 * p50}


@pytest.fixture
def wired(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary of a study in real time."""
    return summary | {
        "world": "wire",
        "speed": 1.0,
        "client": "raw",
        "wire": {
            "plan": {"calls": 12, "equal": 12, "different": []},
            "median_call_s": {
                "ttft": {"planned": 1.5, "measured": 1.5021},
                "total": {"planned": 4.0, "measured": 4.0019},
            },
            "beyond_plan_s": {"ttft": spread(0.0021), "total": spread(0.0019, 0.0042)},
            "servers_part_s": {"reading": spread(0.0008), "first_byte": spread(0.0002), "end": spread(0.0003)},
            "sdk_adds_s": None,
            "self_check": {
                "loop_lag_s": 0.0001,
                "worst_loop_lag_s": 0.002,
                "cpu_share": 0.02,
                "client_was_the_bottleneck": False,
            },
        },
    }


def test_virtual_time_has_nothing_to_tell(summary: dict[str, Any]) -> None:
    assert list(real_time(summary)) == []
    assert pace(summary) == []


def test_plan_lateness_and_digest_are_one_sentence_each(wired: dict[str, Any]) -> None:
    plan, medians, late, digest = real_time(wired)
    assert plan == "Plan: all 12 calls were planned as in sim, to the microsecond and the token."
    assert medians == (
        "A call's median: TTFT 1.5021 s where 1.5000 s were planned, total 4.0019 s where 4.0000 s were planned."
    )
    assert "TTFT 2.1 ms at the median (max 4.2 ms), total 1.9 ms at the median (p99 4.2 ms)" in late
    assert "read a request in 0.8 ms" in late
    assert "no other run has again" in digest
    assert pace(wired) == ["raw reader"]


def test_a_study_that_was_sped_up_says_so_first(wired: dict[str, Any]) -> None:
    wired |= {"speed": 20.0, "client": "sdk"}
    assert next(iter(real_time(wired))).startswith("Sped up: time ran 20 times as fast")
    assert pace(wired) == ["20 times as fast", "the SDK's client"]


def test_a_client_that_was_the_bottleneck_is_told(wired: dict[str, Any]) -> None:
    wired["wire"]["self_check"] |= {"client_was_the_bottleneck": True, "loop_lag_s": 0.0034, "cpu_share": 0.91}
    (told,) = [line for line in real_time(wired) if "bottleneck" in line]
    assert "3.4 ms late" in told
    assert "91%" in told


def test_a_plan_that_differs_names_where(wired: dict[str, Any]) -> None:
    wired["wire"]["plan"] = {"calls": 12, "equal": 10, "different": ["arm 0, run 0, main/turn-0"]}
    (told,) = [line for line in real_time(wired) if line.startswith("Plan")]
    assert told == ("Plan: 2 of 12 calls were not planned as in sim, where nothing is late: arm 0, run 0, main/turn-0.")


def test_an_agent_has_no_plan_in_sim_and_an_sdk(wired: dict[str, Any]) -> None:
    wired["wire"] |= {"plan": None, "sdk_adds_s": {"ttft": spread(0.0018)}}
    lines = list(real_time(wired))
    assert "Plan: not compared with sim, which cannot run an agent of your own." in lines
    assert any(line.startswith("The SDK adds 1.8 ms to TTFT at the median of 12 streamed calls") for line in lines)


def test_where_no_call_was_made_there_is_nothing_to_measure(wired: dict[str, Any]) -> None:
    nothing = {"n": 0, "p50": None, "p99": None, "max": None}
    for part in ("beyond_plan_s", "servers_part_s"):
        wired["wire"][part] = dict.fromkeys(wired["wire"][part], nothing)
    wired["wire"]["median_call_s"] = {name: {"planned": None, "measured": None} for name in ("ttft", "total")}
    assert any("TTFT n/a, total n/a" in line for line in real_time(wired))
