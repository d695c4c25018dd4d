"""A copy of the project with one rule broken, in which the test that guards the rule is run by a pytest of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutation", "copy_project", "mutate", "red_by", "run_guards"]

ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("mockllm", "latlab", "profiles", "scenarios", "tests")
_LONGEST_S = 180  # a mutation may well make a test endless


@dataclass(frozen=True, slots=True)
class Mutation:
    """A broken rule: `edits` to `file`, each an exact text and its replacement, and the test `guard` that must see it.

    `name` says what is done, and `why` what would go wrong unseen.
    """

    name: str
    why: str
    file: str
    edits: tuple[tuple[str, str], ...]
    guard: str


def copy_project(folder: Path) -> Path:
    """The sources and the tests without these ones, in `folder`. Their times are kept, so their bytecode serves too."""
    for part in _PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("test_mutations*", ".*"))
    shutil.copy2(ROOT / "pyproject.toml", folder)
    return folder


def mutate(root: Path, mutation: Mutation) -> None:
    """Apply the edits. Each text must be there exactly once: whoever rewrites the line renews its mutation."""
    file = root / mutation.file
    text = file.read_text(encoding="utf-8")
    for old, new in mutation.edits:
        found = text.count(old)
        assert found == 1, f"{mutation.file} holds {found} times, not once, what {mutation.name!r} replaces:\n{old}"
        text = text.replace(old, new)
    compile(text, str(file), "exec")
    file.write_text(text, encoding="utf-8")
    for stale in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        stale.unlink()


def run_guards(root: Path, guards: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What pytest says of `guards` in the copy at `root`, without anything of the pytest that runs this."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
    paths = os.pathsep.join([str(root), str(root / "tests")])
    # No plugin and no conftest: no guard needs them, and each would cost every mutation its start.
    options = ["-p", "mutations.provenance", "-p", "no:cacheprovider", "--noconftest", "-x", "-q"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *guards],
        cwd=root,
        env={**ours, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )


def red_by(result: subprocess.CompletedProcess[str], guard: str) -> str:
    """The error by which `guard`, and nothing else, failed in `result`."""
    failed = re.findall(r"^FAILED (.*?) - (.*)$", result.stdout, re.MULTILINE)
    assert result.returncode == 1, f"pytest ended with {result.returncode}, so {guard} is not red:\n{_said(result)}"
    assert [name for name, _ in failed] == [guard], f"{guard} is not what failed:\n{_said(result)}"
    return str(failed[0][1])


def _said(result: subprocess.CompletedProcess[str]) -> str:
    return f"{result.stdout[-4000:]}{result.stderr[-2000:]}"
