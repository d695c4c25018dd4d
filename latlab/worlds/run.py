"""What one run is asked and what it brings back, in whichever world."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeAlias

import latlab
import mockllm
from latlab import LatlabError
from latlab.client import CallRecord
from latlab.config import CURRENT_LAB, BenchmarkConfig
from latlab.lab import Lab
from latlab.worlds.served import ClientLoad, ServedCall
from mockllm import MockLLMError
from mockllm.clock.instants import VirtualTimeError
from mockllm.core.draws import Draws
from mockllm.core.profile import Profile

__all__ = ["Outcome", "RunRecord", "Scenario", "World", "WorldError", "failure", "live", "record_run"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NOT_THE_USERS = tuple([package.__path__[0] for package in (asyncio, latlab, mockllm)])

Scenario: TypeAlias = Callable[[Lab], Awaitable[object]]


class WorldError(LatlabError):
    """The machine, and not the scenario, kept a run from being made; such a run is never stored."""


class RunRecord(NamedTuple):
    """One run as it is stored: whole microseconds, counts and nano-dollars.

    `perceived_us` is when the user saw the first text of the final answer, which without streaming is its end. A call
    that was refused or given up has its time in the total, and no part in the counts and the cost.
    """

    total_us: int
    perceived_us: int
    calls: int
    tool_calls: int
    prompt_tokens: int
    read_tokens: int
    connections_opened: int
    cost_nusd: int


class Outcome(NamedTuple):
    """A finished run with its calls in the order of their paths, or the one line that says why it failed.

    `hopeless` says that no other run can end either: a deadlock, or no end in virtual time. What the server and the
    client say of themselves in real time is in `served` and `load`; no other world has any.
    """

    run: RunRecord | None
    calls: tuple[CallRecord, ...]
    error: str | None
    hopeless: bool = False
    served: tuple[ServedCall, ...] = ()
    load: ClientLoad | None = None


class World(Protocol):
    """Runs one scenario once, in a world of its own that begins at time 0."""

    def __call__(self, scenario: Scenario, profile: Profile, config: BenchmarkConfig, draws: Draws) -> Outcome: ...


async def live(scenario: Scenario, lab: Lab) -> int:
    """Run `scenario` in `lab` to its end; the time at which that was, in microseconds."""
    CURRENT_LAB.set(lab)
    await scenario(lab)
    return lab.now_us()


def record_run(total_us: int, shown_us: int | None, tool_calls: int, calls: list[CallRecord]) -> Outcome:
    """The outcome of a run that ended at `total_us`, from what its client saw."""
    calls.sort()
    prompt = read = opened = cost = 0
    for call in calls:
        prompt += call.input_tokens + call.read_tokens + call.write_5m_tokens + call.write_1h_tokens
        read += call.read_tokens
        opened += call.opened
        cost += call.cost_nusd
    perceived_us = total_us if shown_us is None else shown_us
    run = RunRecord(total_us, perceived_us, len(calls), tool_calls, prompt, read, opened, cost)
    return Outcome(run, tuple(calls), None)


def failure(error: BaseException) -> Outcome:
    """The outcome of a run that raised: one line, with the place where a scenario's own error came from."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    error = _our_own(error) or error
    # Where an object lies in memory differs from run to run, and tells nobody anything.
    text = _ADDRESS.sub("", " ".join(str(error).split()))
    if not isinstance(error, (LatlabError, MockLLMError)):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        text += _place(error)
    return Outcome(None, (), text, isinstance(error, VirtualTimeError))


def _our_own(error: BaseException) -> BaseException | None:
    """The line of ours that a client's error was wrapped round, if any: it is what a user can act on."""
    seen: set[int] = set()  # a group and what it holds may each be the other's context
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is None or id(found) in seen:
            continue
        if isinstance(found, (LatlabError, MockLLMError)):
            return found
        seen.add(id(found))
        inside = found.exceptions if isinstance(found, BaseExceptionGroup) else ()
        left += [found.__cause__ or found.__context__, *reversed(inside)]
    return None


def _place(error: BaseException) -> str:
    traceback = error.__traceback__
    place = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not file.startswith(_NOT_THE_USERS) and "site-packages" not in file:
            place = f" (at {file.rsplit('/', 1)[-1]}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return place
