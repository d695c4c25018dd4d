"""The bench of the server, in little: that it runs from end to end and says what it is for. No time is asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_quick_form_prints_every_figure_beside_both_references() -> None:
    command = [sys.executable, "-m", "bench.server", "--quick"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    head, *lines = ran.stdout.splitlines()
    for column in ("mock", "bare aiohttp", "bare asyncio", "wanted"):
        assert column in head
    figures = "\n".join(lines)
    for figure in ("requests/s", "events/s, one write", "events/s, a write each", "MB after"):
        assert figure in figures
    for figure in ("TTFT error", "gap error"):
        assert len([line for line in lines if line.startswith(figure)]) == 2
    assert "of aiohttp" in figures
    assert "to asyncio" in figures
