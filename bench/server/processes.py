"""The processes of a measurement: servers on one core, the client on the other, where the system lets one choose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.server.load import Plan

__all__ = ["Server", "carry_out", "resident_bytes", "server"]

_ROOT = Path(__file__).resolve().parents[2]


class Server(NamedTuple):
    """A running server: where it answers, and its process."""

    url: str
    pid: int


@contextmanager
def server(*command: str) -> Iterator[Server]:
    """The Python module and arguments `command`, running on the first core until the block is left.

    Its first line is its URL, or JSON that holds it under `url`.
    """
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    try:
        _pin(process.pid, 0)
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise SystemExit(f"{command[0]} did not come up")
        yield Server(json.loads(line)["url"] if line.startswith("{") else line, process.pid)
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def carry_out(plan: Plan) -> dict[str, Any]:
    """What the load client, on the last core, says of `plan`."""
    asked = [sys.executable, "-m", "bench.server.load", json.dumps(plan._asdict())]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        _pin(process.pid, -1)
        said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the load client failed against {plan.url}{plan.path}")
    found: dict[str, Any] = json.loads(said)
    return found


def resident_bytes(pid: int) -> int:
    """The memory that the process `pid` has resident."""
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(said.stdout) * 1024


def _pin(pid: int, place: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, {cores[place]})
