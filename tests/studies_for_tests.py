"""Small studies for tests of the harness: a scenario file, a profile file, and the command line in a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from profiles_for_tests import profile_tables

__all__ = ["ROOT", "SCENARIO", "environment", "latlab", "scenario_file", "write_profile"]

ROOT = Path(__file__).resolve().parents[1]

SCENARIO = """
from latlab import Script, Tool, scenario
from mockllm.core.distributions import Constant, Lognormal

LOOK = Tool("look", "Look something up.", {"type": "object"}, latency_s=Lognormal(0.5, 0.4))
SYSTEM = "You answer briefly. " * 400


@scenario("small", summary="one tool call and an answer")
async def small(lab):
    chat = lab.chat(system=SYSTEM, tools=[LOOK])
    chat.user("What is it?")
    reply = await lab.complete(chat, expect=Script(20, tool_uses=[("look", {})]))
    chat.tool_results(await lab.run_tools(reply.tool_calls))
    answer = await lab.complete(chat, expect=Script(round(lab.draw(Lognormal(60, 0.5), "answer"))))
    return answer.text
"""


def scenario_file(folder: Path, body: str | None = None, name: str = "small.py") -> Path:
    """A scenario file in `folder`: the small scenario, or one whose `async def small(lab)` has the lines of `body`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = SCENARIO
    if body is not None:
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        text = (
            "import asyncio\nfrom latlab import Script, scenario\n\n\n"
            f"@scenario('small', summary='a test')\nasync def small(lab):\n{lines}\n"
        )
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_profile(path: Path, **changes: Any) -> Path:
    """The test profile as a file, top-level entries of it replaced or with None left out."""
    tables = {key: value for key, value in (profile_tables() | changes).items() if value is not None}
    path.write_text("".join([f"{key} = {_inline(value)}\n" for key, value in tables.items()]), encoding="utf-8")
    return path


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with the repository importable from any working directory."""
    return os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"} | changes


def latlab(*arguments: str | Path, cwd: Path | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with `changes` of the environment."""
    command = [sys.executable, "-m", "latlab", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, timeout=300, check=False
    )


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(held)}" for key, held in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
