"""What was asked of a mock and what became of it, plan beside actual, for the last so many requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mockllm.core.identity import Identity
from mockllm.core.usage import Usage
from mockllm.emulator.admission import Answer

__all__ = ["Entry", "KeptBodies", "RequestLog"]

_MOST_ENTRIES = 10_000
_MOST_BODY_BYTES = 64 << 20


@dataclass(slots=True)
class Entry:
    """One request, in microseconds of the run's clock. What has not come about is None.

    `admitted_us`, `due_first_us` and `due_end_us` are when the answer was admitted and when its first token and its end
    are planned; `first_us` and `end_us` are when its first and its last byte were handed to the socket, so the
    difference to the plan is the server's own lateness. Of an answer that `shared` its machine the plan is that of one
    alone, and nobody was late.
    """

    endpoint: str
    arrived_us: int
    body: bytes = b""
    identity: Identity | None = None
    model: str = ""
    stream: bool = False
    usage: Usage | None = None
    stop_reason: str | None = None
    admitted_us: int | None = None
    due_first_us: int | None = None
    due_end_us: int | None = None
    fault: str | None = None
    status: int = 0
    error: str | None = None
    first_us: int | None = None
    end_us: int | None = None
    shared: bool = False

    def planned(self, answer: Answer) -> None:
        """Note what is told of the plan; what is said in it may be long, and is not kept."""
        self.usage, self.stop_reason = answer.usage, answer.reply.stop_reason
        self.admitted_us, self.due_first_us, self.due_end_us = answer.admitted_us, answer.first_us, answer.end_us

    @property
    def first_late_us(self) -> int | None:
        """How much later than planned the first byte was sent; None where a fault or a neighbour changed the plan."""
        due_us = self.due_first_us if self.stream else self.due_end_us
        if due_us is None or self.first_us is None or self.fault is not None or self.shared:
            return None
        return self.first_us - due_us

    def facts(self) -> dict[str, Any]:
        """The entry as plain JSON, times in seconds."""
        return {
            "endpoint": self.endpoint,
            "call": self.identity.path if self.identity is not None else None,
            "attempt": self.identity.attempt if self.identity is not None else None,
            "model": self.model,
            "stream": self.stream,
            "status": self.status,
            "fault": self.fault,
            "error": self.error,
            "arrived_s": _seconds(self.arrived_us),
            "admitted_s": _seconds(self.admitted_us),
            "planned": {
                "first_s": _seconds(self.due_first_us),
                "end_s": _seconds(self.due_end_us),
                "stop_reason": self.stop_reason,
            }
            if self.usage is not None
            else None,
            "actual": {"first_s": _seconds(self.first_us), "end_s": _seconds(self.end_us)},
            "first_late_s": _seconds(self.first_late_us),
            "usage": self.usage._asdict() if self.usage is not None else None,
        }


class KeptBodies:
    """The bodies of a server's last requests, in whichever runs: as many as 64 MiB hold, and of 10,000 at most."""

    __slots__ = ("_bytes", "_entries")

    def __init__(self) -> None:
        self._bytes = 0
        self._entries: deque[Entry] = deque()

    def keep(self, entry: Entry) -> None:
        """Keep the body of `entry` for as long as there is room for it."""
        self._entries.append(entry)
        self._bytes += len(entry.body)
        while self._bytes > _MOST_BODY_BYTES or len(self._entries) > _MOST_ENTRIES:
            oldest = self._entries.popleft()
            self._bytes -= len(oldest.body)
            oldest.body = b""


class RequestLog:
    """The last 10,000 requests of a run, oldest first; `kept` says for how many of them the bodies are kept."""

    __slots__ = ("_entries", "_kept", "total")

    def __init__(self, kept: KeptBodies | None = None) -> None:
        self.total = 0
        self._kept = kept or KeptBodies()
        self._entries: deque[Entry] = deque(maxlen=_MOST_ENTRIES)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def open(self, endpoint: str, arrived_us: int, body: bytes) -> Entry:
        """A new entry for a request that arrived now."""
        entry = Entry(endpoint, arrived_us, body)
        self.total += 1
        self._entries.append(entry)
        self._kept.keep(entry)
        return entry


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / 1e6
