"""What a real server and a real client say of themselves beside a run's figures: plan, lateness, and who was busy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["ClientLoad", "ServedCall", "served_call"]


class ServedCall(NamedTuple):
    """The server's account of one answered call, in whole microseconds of the profile's time.

    `admission_us` lies between the request's arrival and its admission: its body was read, and on a new connection the
    set-up waited for. `first_us` and `end_us` are planned, from admission; `first_late_us` and `end_late_us` how much
    later the bytes went to the socket. Tokens are as planned. `sdk_us` is by how much later than it arrived the SDK
    handed over the first visible event, None where no SDK did.
    """

    path: str
    attempt: int
    streamed: int
    admission_us: int
    first_us: int
    end_us: int
    input_tokens: int
    read_tokens: int
    write_5m_tokens: int
    write_1h_tokens: int
    output_tokens: int
    first_late_us: int
    end_late_us: int
    sdk_us: int | None = None


class ClientLoad(NamedTuple):
    """How busy the client was during a run, in real microseconds: how late its loop woke (median and worst of its
    heartbeat), and which share of the run its process computed."""

    lag_us: int
    worst_lag_us: int
    cpu_share: float


def served_call(facts: Mapping[str, Any], sdk_us: int | None) -> ServedCall | None:
    """What one entry of the server's request log says; None where no answer was sent to its end."""
    planned, actual, usage = facts["planned"], facts["actual"], facts["usage"]
    if planned is None or usage is None or actual["end_s"] is None or facts["error"] is not None:
        return None
    admitted_us, first_us, end_us = _us(facts["admitted_s"]), _us(planned["first_s"]), _us(planned["end_s"])
    began_us = first_us if facts["stream"] else end_us
    return ServedCall(
        facts["call"],
        facts["attempt"],
        int(facts["stream"]),
        admitted_us - _us(facts["arrived_s"]),
        first_us - admitted_us,
        end_us - admitted_us,
        usage["input_tokens"],
        usage["read_tokens"],
        usage["write_5m_tokens"],
        usage["write_1h_tokens"],
        usage["output_tokens"],
        _us(actual["first_s"]) - began_us,
        _us(actual["end_s"]) - end_us,
        sdk_us,
    )


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
