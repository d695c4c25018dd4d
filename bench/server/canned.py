"""What the references send: the mock's own bytes, taken from it once, so that all three send the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

__all__ = ["FIRST_S", "GAP_S", "Canned", "due_s", "keep_canned", "read_canned"]

# The schedule of the profile flat-200ms-10ms, which all three keep.
FIRST_S = 0.2
GAP_S = 0.01


class Canned(NamedTuple):
    """One answer without streaming, and one with: its bytes instant by instant and event by event."""

    message: bytes
    instants: list[bytes]
    events: list[bytes]


def due_s(number: int) -> float:
    """When token `number` of a paced stream is due, in seconds from its request."""
    return FIRST_S + GAP_S * number


def keep_canned(path: Path, message: bytes, instants: list[bytes]) -> None:
    """Write down what `read_canned` reads."""
    path.write_text(json.dumps({"message": message.decode(), "instants": [data.decode() for data in instants]}))


def read_canned(path: Path) -> Canned:
    """What `keep_canned` wrote to `path`."""
    held = json.loads(path.read_text())
    instants = [text.encode() for text in held["instants"]]
    events = [event + b"\n\n" for event in b"".join(instants).split(b"\n\n")[:-1]]
    return Canned(held["message"].encode(), instants, events)
