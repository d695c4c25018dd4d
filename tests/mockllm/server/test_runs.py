from __future__ import annotations

import pytest
from profiles_for_tests import make_profile

import mockllm.server.runs
from mockllm.clock.sim_loop import SimLoop
from mockllm.core.draws import Draws
from mockllm.core.faults import faults_of
from mockllm.core.limits import Limits, RateLimits
from mockllm.core.reply import Script
from mockllm.emulator.admission import Emulator
from mockllm.server.runs import RunError, Runs, RunSpec, emulating, read_spec

PROFILE = make_profile()


def runs(faults: tuple[str, ...] = ()) -> Runs:
    loop = SimLoop()  # type: ignore[abstract]  # a run needs a clock, and nobody waits here

    def make(spec: RunSpec) -> Emulator:
        return Emulator(PROFILE, Draws(spec.seed or 1, spec.run, spec.plausible), loop, lambda _: Script(20))

    return Runs(make, faults=faults_of(faults))


def test_a_name_that_was_not_opened_begins_with_the_server_s_own_luck() -> None:
    held = runs(("cut=0.5",))
    one = held.get("one")
    assert held.get("one") is one
    assert one is not held.default
    assert one.faults == held.default.faults == faults_of(["cut=0.5"])
    assert held.get("") is held.default
    assert len(held) == 2


def test_an_opened_run_has_the_luck_that_was_asked_for_and_replaces_its_namesake() -> None:
    held = runs()
    before = held.get("r")
    opened = held.open(read_spec({"name": "r", "seed": 7, "run": 3, "plausible": 2}))
    assert held.get("r") is opened is not before
    draws = opened.emulator.draws
    assert (draws.seed, draws.run, draws.plausible) == (7, 3, 2)


def test_a_reset_forgets_everything_but_what_the_run_is() -> None:
    held = runs(("cut=0.5",))
    opened = held.open(RunSpec(name="r", seed=7))
    opened.faults = ()
    opened.log.open("messages", 0, b"")
    fresh = held.reset("r")
    assert held.get("r") is fresh is not opened
    assert (fresh.spec, fresh.log.total, fresh.faults) == (opened.spec, 0, faults_of(["cut=0.5"]))
    default = held.default
    assert held.reset("") is held.default is not default


def test_the_run_that_was_not_used_for_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mockllm.server.runs, "_MOST_RUNS", 2)
    held = runs()
    a, b = held.get("a"), held.get("b")
    held.get("a")
    held.get("c")
    assert held.get("a") is a
    assert held.get("b") is not b
    assert len(held) == 3


def test_a_closed_run_is_forgotten() -> None:
    held = runs()
    one = held.get("one")
    held.close("one")
    held.close("never there")
    assert held.get("one") is not one


@pytest.mark.parametrize("name", ["", "a/b", "ä", "x" * 101, "a b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="is no name of a run"):
        read_spec({"name": name})
    if name:
        with pytest.raises(RunError, match="is no name of a run"):
            runs().get(name)


@pytest.mark.parametrize("value", [{"name": "r", "luck": 1}, {"name": "r", "run": -1}, [], {"name": "r", "seed": "x"}])
def test_a_spec_that_cannot_be_read_is_one_line(value: object) -> None:
    with pytest.raises(RunError) as caught:
        read_spec(value)
    assert "\n" not in str(caught.value)


def test_a_run_is_made_as_its_spec_says_with_the_servers_luck_where_it_has_none_of_its_own() -> None:
    clocks = []

    def clock() -> SimLoop:
        clocks.append(SimLoop())  # type: ignore[abstract]  # a run needs a clock, and nobody waits here
        return clocks[-1]

    make = emulating(PROFILE, 5, clock, lambda: RateLimits(Limits(), 7.0))
    plain, own = make(RunSpec()), make(RunSpec(name="r", seed=7, run=3, plausible=2, cache_start="warm"))
    assert (plain.draws.seed, plain.draws.run, plain.draws.plausible, plain.warm) == (5, 0, 0, False)
    assert (own.draws.seed, own.draws.run, own.draws.plausible, own.warm) == (7, 3, 2, True)
    assert plain.profile == PROFILE
    assert own.profile == PROFILE.plausible(7, 2) != PROFILE
    assert [plain.clock, own.clock] == clocks
    assert plain.limits is not None
    assert own.limits is not None
    assert plain.limits is not own.limits
    assert plain.limits.unix_s(0) == 7.0
