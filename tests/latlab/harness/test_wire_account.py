"""What a study in real time says of itself, from rows that were made up to say it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from studies_for_tests import scenario_file, write_profile

from latlab.harness.planning import Asked, plan_study
from latlab.harness.store import RunKey, Store
from latlab.harness.study import Study
from latlab.harness.wire_account import wire_account
from latlab.worlds.run import Outcome
from latlab.worlds.served import ClientLoad, ServedCall
from latlab.worlds.sim import run_sim
from mockllm.core.draws import Draws
from mockllm.core.profile import parse_profile

LATE_US = 1500
CALM = ClientLoad(80, 900, 0.02)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(sys, "path", list(sys.path))
    asked = Asked(
        str(scenario_file(tmp_path / "mine")), "wire", str(write_profile(tmp_path / "p.toml")), runs=2, speed=5.0
    )
    return plan_study(replace(asked, varied=["streaming=false,true"]))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "study.db")
    yield opened
    opened.close()


def as_wire(outcome: Outcome, load: ClientLoad = CALM, **changes: Any) -> Outcome:
    """A run in sim as a wire would have measured it, every call late by as much, `changes` made to what was served."""
    served = [
        ServedCall(
            call.path,
            0,
            call.streamed,
            call.connect_us + 300,
            call.headers_us - call.connect_us,
            call.total_us - call.connect_us,
            *call[7:12],
            200,
            400,
        )._replace(**changes)
        for call in outcome.calls
    ]
    calls = [
        call._replace(connect_us=9, ttft_us=call.ttft_us + LATE_US, total_us=call.total_us + 2 * LATE_US)
        for call in outcome.calls
    ]
    return outcome._replace(calls=tuple(calls), served=tuple(served), load=load)


def account(study: Study, store: Store, **changes: Any) -> dict[str, Any]:
    profile = parse_profile(study.profile_bytes.decode(), study.profile)
    for arm in (0, 1):
        for run in (0, 1):
            outcome = run_sim(study.target.run, profile, study.arms[arm].config, Draws(study.seed, run))
            store.add([(RunKey(arm, 0, run), as_wire(outcome, **changes))])
    return wire_account(study, store)


def test_a_plan_that_is_that_of_sim_is_said_to_be_so_and_lateness_is_what_was_measured_beyond_it(
    study: Study, store: Store
) -> None:
    found = account(study, store)
    assert found["plan"] == {"calls": 8, "equal": 8, "different": []}
    assert found["beyond_plan_s"]["ttft"] == {"n": 8, "p50": 0.0015, "p99": None, "max": 0.0015}
    assert found["beyond_plan_s"]["total"]["p50"] == 0.003
    parts = {name: spread["p50"] for name, spread in found["servers_part_s"].items()}
    assert parts == {"reading": 0.0003, "first_byte": 0.0002, "end": 0.0004}
    medians = found["median_call_s"]["total"]
    assert medians["measured"] - medians["planned"] == pytest.approx(0.003)
    assert found["sdk_adds_s"] is None


@pytest.mark.parametrize("changes", [{"end_us": 1}, {"read_tokens": 1}, {"output_tokens": 1}], ids=str)
def test_a_call_that_was_planned_otherwise_is_named(study: Study, store: Store, changes: dict[str, int]) -> None:
    plan = account(study, store, **changes)["plan"]
    assert (plan["calls"], plan["equal"]) == (8, 0)
    assert plan["different"][:2] == ["arm 0, run 0, main/turn-0", "arm 0, run 0, main/turn-1"]
    assert len(plan["different"]) == 5


def test_a_first_byte_that_was_planned_otherwise_counts_where_it_was_streamed(study: Study, store: Store) -> None:
    assert account(study, store, first_us=1)["plan"]["equal"] == 4


def test_a_call_that_was_not_made_is_a_difference(study: Study, store: Store) -> None:
    account(study, store)
    profile = parse_profile(study.profile_bytes.decode(), study.profile)
    whole = as_wire(run_sim(study.target.run, profile, study.arms[0].config, Draws(study.seed, 0)))
    store.add([(RunKey(0, 0, 0), whole._replace(calls=whole.calls[:1], served=whole.served[:1]))])
    assert wire_account(study, store)["plan"] == {"calls": 8, "equal": 7, "different": ["arm 0, run 0, main/turn-1"]}


def test_the_time_of_the_sdk_is_told_where_there_is_one(study: Study, store: Store) -> None:
    assert account(study, store, sdk_us=1800)["sdk_adds_s"]["ttft"]["p50"] == 0.0018


def test_of_an_agent_the_plan_is_the_server_s_own(study: Study, store: Store) -> None:
    found = account(replace(study, target=replace(study.target, kind="agent")), store)
    assert found["plan"] is None
    assert found["beyond_plan_s"]["ttft"]["n"] == 8
    assert found["beyond_plan_s"]["ttft"]["p50"] == pytest.approx(0.0012)  # from when the request was read


@pytest.mark.parametrize(
    ("load", "bottleneck"),
    [
        (CALM, False),
        (ClientLoad(1001, 5000, 0.1), True),
        (ClientLoad(80, 900, 0.81), True),
        (ClientLoad(1000, 90_000, 0.8), False),
    ],
)
def test_a_client_that_was_late_or_busy_is_the_bottleneck(
    study: Study, store: Store, load: ClientLoad, bottleneck: bool
) -> None:
    check = account(study, store, load=load)["self_check"]
    assert check["client_was_the_bottleneck"] is bottleneck
    assert check["loop_lag_s"] == load.lag_us / 1e6


def test_a_study_of_which_nothing_was_logged_has_no_figures_and_no_plan_that_is_equal(
    study: Study, store: Store
) -> None:
    profile = parse_profile(study.profile_bytes.decode(), study.profile)
    store.add([(RunKey(0, 0, 0), run_sim(study.target.run, profile, study.arms[0].config, Draws(study.seed, 0)))])
    found = wire_account(study, store)
    assert found["plan"]["equal"] == 0
    assert found["beyond_plan_s"]["ttft"] == {"n": 0, "p50": None, "p99": None, "max": None}
    assert found["median_call_s"]["ttft"] == {"planned": None, "measured": None}
