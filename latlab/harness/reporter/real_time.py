"""What a reader must know of a study in real time: its speed, its lateness, and who was slow. One sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["pace", "real_time"]


def pace(summary: Mapping[str, Any]) -> list[str]:
    """What the head of a report says of the pace; nothing where time is virtual."""
    if "speed" not in summary:
        return []
    speed = [] if summary["speed"] == 1 else [f"{summary['speed']:g} times as fast"]
    return [*speed, "the SDK's client" if summary["client"] == "sdk" else "raw reader"]


def real_time(summary: Mapping[str, Any]) -> Iterator[str]:
    """How far the measured times are from the plan, whose part that is, and what is in doubt."""
    account = summary.get("wire")
    if not account:
        return
    speed = summary["speed"]
    if speed != 1:
        yield (
            f"Sped up: time ran {speed:g} times as fast, so what client and server took for themselves counts "
            f"{speed:g}-fold in every figure."
        )
    check = account["self_check"]
    if check["client_was_the_bottleneck"]:
        yield (
            f"The client was the bottleneck (its loop woke {_ms(check['loop_lag_s'])} late at the median of its worst "
            f"run, and computed {check['cpu_share']:.0%} of the time): every time here may be the client's own. Use "
            "a lower --speed, or a machine with less to do."
        )
    plan = account["plan"]
    if plan is None:
        yield "Plan: not compared with sim, which cannot run an agent of your own."
    elif plan["equal"] == plan["calls"]:
        yield f"Plan: all {plan['calls']} calls were planned as in sim, to the microsecond and the token."
    else:
        yield (
            f"Plan: {plan['calls'] - plan['equal']} of {plan['calls']} calls were not planned as in sim, where nothing "
            f"is late: {'; '.join(plan['different'])}."
        )
    medians = [
        f"{name} {found['measured']:.4f} s where {found['planned']:.4f} s were planned"
        for name, found in (("TTFT", account["median_call_s"]["ttft"]), ("total", account["median_call_s"]["total"]))
        if found["planned"] is not None
    ]
    if medians:
        yield f"A call's median: {', '.join(medians)}."
    beyond, part = account["beyond_plan_s"], account["servers_part_s"]
    yield (
        f"Measured beyond the plan, call by call: TTFT {_late(beyond['ttft'])}, total {_late(beyond['total'])}. The "
        f"server's part: it read a request in {_late(part['reading'])}, and sent the first byte "
        f"{_late(part['first_byte'])} after its time, the last {_late(part['end'])}. The rest is the client's, and "
        "the machine's between them."
    )
    if account["sdk_adds_s"]:
        adds = account["sdk_adds_s"]["ttft"]
        yield (
            f"The SDK adds {_ms(adds['p50'])} to TTFT at the median of {adds['n']} streamed calls; the figures above "
            "are those of a reader of the raw bytes under it (what it takes before it sends is in both)."
        )
    yield "The digest is of measured times, which no other run has again; what repeats is the plan."


def _late(spread: Mapping[str, Any]) -> str:
    """Median, and the p99 or the most."""
    if not spread["n"]:
        return "n/a"
    far = f"max {_ms(spread['max'])}" if spread["p99"] is None else f"p99 {_ms(spread['p99'])}"
    return f"{_ms(spread['p50'])} at the median ({far})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
