"""mockllm in a process of its own, for as long as a study lasts and not a moment longer.

The child ends when its standard input does, so it is gone however this process ends; it is in no terminal's foreground
group, so Ctrl-C is for this process alone to handle.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from latlab.worlds.raw_client import Address
from latlab.worlds.run import WorldError

__all__ = ["MockProcess", "mock_process"]

_PATIENCE_S = 10.0


@dataclass(slots=True)
class MockProcess:
    """A running mock: where it is, how fast its time runs, names for runs on it, and whether this process's SDK has
    called it before."""

    host: str
    port: int
    speed: float
    child: subprocess.Popen[str]
    is_warmed_up: bool = False
    _numbers: Iterator[int] = field(default_factory=count)

    def run_name(self) -> str:
        """A name that no other run on this server has."""
        return f"run-{next(self._numbers)}"

    def address(self, name: str) -> Address:
        """Where the run `name` is reached."""
        return Address(self.host, self.port, f"/_run/{name}")

    @property
    def has_ended(self) -> bool:
        return self.child.poll() is not None


@contextmanager
def mock_process(profile_bytes: bytes, seed: int, speed: float) -> Iterator[MockProcess]:
    """A mock of the profile on a free port. Raises `WorldError` where it does not come up."""
    with tempfile.TemporaryDirectory(prefix="latlab-") as folder:
        profile = Path(folder) / "profile.toml"
        profile.write_bytes(profile_bytes)
        said = Path(folder) / "said"
        with said.open("w+", encoding="utf-8") as words, _started(profile, seed, speed, words.fileno()) as child:
            assert child.stdout is not None
            ready = child.stdout.readline()
            if not ready:
                child.wait()
                words.seek(0)
                last = words.read().strip().splitlines()
                raise WorldError(f"the mock did not come up: {last[-1] if last else f'exit code {child.returncode}'}")
            url = urlsplit(json.loads(ready)["url"])
            assert url.hostname is not None
            assert url.port is not None
            yield MockProcess(url.hostname, url.port, speed, child)


@contextmanager
def _started(profile: Path, seed: int, speed: float, errors: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mockllm", "serve", "--until-stdin-ends", "--profile", str(profile)]
    command += ["--port", "0", "--seed", str(seed), "--speed", str(speed)]
    with subprocess.Popen(  # noqa: S603  # this interpreter, and arguments that no shell sees
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, process_group=0
    ) as child:
        try:
            yield child
        finally:
            assert child.stdin is not None
            child.stdin.close()
            try:
                child.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.kill()
