"""Call paths and keys: what a request is called, so that its luck follows it and not its arrival.

A call path is a structural name, such as `main/turn-3` or `main/turn-3/retry-1`. The lab sends it in the header
`CALL_HEADER`; a request without one is named by a hash of its canonical content. Repeats of either are counted.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from mockllm import MockLLMError

__all__ = ["CALL_HEADER", "BadCallPathError", "Identity", "Occurrences", "check_path"]

CALL_HEADER = "x-mockllm-call"
_PATH = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")
_MAX_PATH = 100


class BadCallPathError(MockLLMError):
    """A call path that is not a short, slash-separated list of plain names."""


class Identity(NamedTuple):
    """Name of one request within its run, and the order in which same-instant requests are admitted.

    `path` is a call path or `content:HASH`; `attempt` counts the requests of one name from 0.
    """

    path: str
    attempt: int = 0

    def digits(self) -> str:
        """22 hexadecimal digits that no other identity has, the same on every machine."""
        named = f"{self.path}\x1f{self.attempt}"
        return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=11).hexdigest()


def check_path(path: str) -> str:
    """`path` itself where it is a well-formed call path; raises `BadCallPathError` otherwise."""
    if len(path) > _MAX_PATH or not _PATH.fullmatch(path):
        raise BadCallPathError(
            f"{CALL_HEADER}: {path[:40]!r} is no call path; use names of letters, digits and . _ ~ - joined by /, "
            f"at most {_MAX_PATH} characters"
        )
    return path


_MOST_SEEN = 1 << 16


@dataclass(slots=True)
class Occurrences:
    """Counts how often each name and each unnamed content was seen in this run, so that repeats draw luck of their own.

    The last 65,536 different ones are remembered, so that a server which runs for weeks does not grow; one that comes
    back after so many others counts from 0 again.
    """

    # Ordered by itself: a plain dict takes ever longer to find the first of its keys where first keys are removed.
    _seen: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def name(self, path: str) -> Identity:
        """The identity of the next request that goes by `path`, such as a client's retry."""
        seen = self._seen
        attempt = seen.pop(path, 0)
        seen[path] = attempt + 1  # last in order, so that the one not seen for longest comes first
        if len(seen) > _MOST_SEEN:
            seen.popitem(last=False)
        return Identity(path, attempt)

    def identify(self, content: bytes) -> Identity:
        """The identity of an unnamed request whose canonical content hashes to `content`."""
        return self.name(f"content:{content.hex()}")
