"""What a study in real time says of itself: was the plan that of sim, who was late and by how much, who was busy.

Plans are compared call by call with a run in sim of the same name: offsets to the microsecond, and every token. What
was measured beyond the plan is the lateness of server and client together; the server's own log tells its part.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from latlab.client import CallRecord
from latlab.harness.store import Store
from latlab.harness.study import Study
from latlab.stats.quantiles import estimate_quantile
from latlab.worlds.served import ClientLoad, ServedCall
from latlab.worlds.sim import run_sim
from mockllm.core.draws import Draws
from mockllm.core.profile import parse_profile

__all__ = ["wire_account"]

_MOST_LAG_US = 1000
_MOST_CPU_SHARE = 0.8
_DIFFERENCES_KEPT = 5
_Key: TypeAlias = tuple[int, int, str, int]
"""Arm, run, call path and attempt."""


class _Row(NamedTuple):
    """One call as its client measured it, as the server accounts for it, and as it is in sim, where sim has it."""

    key: _Key
    measured: CallRecord
    served: ServedCall
    sim: CallRecord | None

    @property
    def planned_us(self) -> tuple[int, int]:
        """First visible byte and end, from the call's intended start, set-up of a connection included."""
        if self.sim is not None:
            return self.sim.ttft_us, self.sim.total_us
        served = self.served
        first_us = served.first_us if served.streamed else served.end_us
        return served.admission_us + first_us, served.admission_us + served.end_us


def wire_account(study: Study, store: Store) -> dict[str, Any]:
    """The account in plain values, times in seconds of the profile.

    `plan` is None for an agent of the user's own, which sim cannot run: of its calls the plan counts from when the
    server had read them. `sdk_adds_s` is None where no stream went through the SDK.
    """
    measured = {(arm, run, call.path, call.attempt): call for arm, run, call in store.calls()}
    accounts = {(arm, run, call.path, call.attempt): call for arm, run, call in store.served()}
    sim = None if study.target.kind == "agent" else _in_sim(study, store)
    in_sim = sim or {}
    rows = [_Row(key, call, accounts[key], in_sim.get(key)) for key, call in measured.items() if key in accounts]
    sdk_us = [row.served.sdk_us for row in rows if row.served.sdk_us is not None]
    first_us = [row.measured.ttft_us - row.planned_us[0] for row in rows]
    end_us = [row.measured.total_us - row.planned_us[1] for row in rows]
    return {
        "plan": None if sim is None else _plan(measured.keys() | sim.keys(), rows),
        "median_call_s": {
            "ttft": _medians([row.planned_us[0] for row in rows], [row.measured.ttft_us for row in rows]),
            "total": _medians([row.planned_us[1] for row in rows], [row.measured.total_us for row in rows]),
        },
        "beyond_plan_s": {"ttft": _spread(first_us), "total": _spread(end_us)},
        "servers_part_s": {
            "reading": _spread(_reading_us(rows)),
            "first_byte": _spread([row.served.first_late_us for row in rows]),
            "end": _spread([row.served.end_late_us for row in rows]),
        },
        "sdk_adds_s": {"ttft": _spread(sdk_us)} if sdk_us else None,
        "self_check": _self_check(list(store.loads())),
    }


def _reading_us(rows: Sequence[_Row]) -> list[int]:
    """How long the server took from a request's arrival to its admission, where that holds no unknown set-up."""
    found = []
    for row in rows:
        if row.sim is not None and row.sim.opened == row.measured.opened:
            found.append(row.served.admission_us - row.sim.connect_us)
        elif not row.measured.opened:
            found.append(row.served.admission_us)
    return found


def _in_sim(study: Study, store: Store) -> dict[_Key, CallRecord]:
    """The calls of every stored run as they are in sim."""
    profile = parse_profile(study.profile_bytes.decode(), study.profile)
    found = {}
    for stored in store.runs():
        arm, _, run = stored.key
        if stored.figures is not None:
            for call in run_sim(study.target.run, profile, study.arms[arm].config, Draws(study.seed, run)).calls:
                found[arm, run, call.path, call.attempt] = call
    return found


def _plan(keys: set[_Key], rows: Sequence[_Row]) -> dict[str, Any]:
    """How many calls, made in either world, the server planned as sim does; the first that it did not."""
    equal = {row.key for row in rows if row.sim is not None and _plan_of(row.served) == _plan_in_sim(row.sim)}
    other = sorted(keys - equal)
    names = [f"arm {arm}, run {run}, {path}" for arm, run, path, _ in other[:_DIFFERENCES_KEPT]]
    return {"calls": len(keys), "equal": len(equal), "different": names}


def _plan_of(served: ServedCall) -> tuple[int, ...]:
    began_us = served.first_us if served.streamed else served.end_us
    return (began_us, served.end_us, *served[6:11])


def _plan_in_sim(call: CallRecord) -> tuple[int, ...]:
    """The same of a call in sim, whose headers come with the first token, and with the end where nothing is streamed;
    set-up, which sim counts at the client, comes before it all."""
    return (call.headers_us - call.connect_us, call.total_us - call.connect_us, *call[7:12])


def _medians(planned_us: Sequence[int], measured_us: Sequence[int]) -> dict[str, float | None]:
    if not planned_us:
        return {"planned": None, "measured": None}
    return {"planned": median(planned_us) / 1e6, "measured": median(measured_us) / 1e6}


def _spread(us: Sequence[int]) -> dict[str, Any]:
    """Median, p99 where there are calls enough for one, and the greatest."""
    if not us:
        return {"n": 0, "p50": None, "p99": None, "max": None}
    seconds = np.array(us, dtype=np.float64) / 1e6
    return {
        "n": len(us),
        "p50": float(np.median(seconds)),
        "p99": estimate_quantile(seconds, 0.99).value,
        "max": float(seconds.max()),
    }


def _self_check(loads: Sequence[ClientLoad]) -> dict[str, Any]:
    """Whether the client kept up: it was the bottleneck where in some run its loop mostly woke late, or its process
    computed nearly all of the time. The lag is in real seconds."""
    lag_us = max([load.lag_us for load in loads], default=0)
    share = max([load.cpu_share for load in loads], default=0.0)
    return {
        "loop_lag_s": lag_us / 1e6,
        "worst_loop_lag_s": max([load.worst_lag_us for load in loads], default=0) / 1e6,
        "cpu_share": share,
        "client_was_the_bottleneck": lag_us > _MOST_LAG_US or share > _MOST_CPU_SHARE,
    }
