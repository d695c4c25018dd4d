"""Tests of scenarios/coding_task.py: tools that wait about as long as recorded ones, and calls that fit them."""

from __future__ import annotations

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from latlab.benchmarks.shipped import import_file, scenarios_folder

task = import_file(scenarios_folder() / "coding_task.py")
TOOLS = {tool.name: tool for tool in task.TOOLS}

# Seconds from the end of a turn of one tool call to the next turn's beginning, at these levels (n = 465). What lies
# above them holds the time that people took to allow a call.
LEVELS = (0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
RECORDED_WAIT_S = (0.008, 0.125, 0.183, 0.28, 0.757, 1.209, 2.592)


def test_the_recorded_waits_are_those_of_the_recording(recordings: Path) -> None:
    with gzip.open(recordings / "claude_code_sessions.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["session"], float(row["ts"])))
    waits = [
        float(after["ts"]) - float(before["ts"]) - float(before["e2e_s"])
        for before, after in pairwise(rows)
        if before["session"] == after["session"] and before["block_types"].split("|").count("tool_use") == 1
    ]
    assert len(waits) == 465
    assert [round(float(wait), 3) for wait in np.quantile(waits, LEVELS)] == list(RECORDED_WAIT_S)


def test_the_mix_of_tools_waits_as_recorded_within_a_factor_of_two() -> None:
    chances = (np.arange(500) + 0.5) / 500
    mix = [TOOLS[name].latency_s.quantile(u) for name, *_ in task.REQUESTS for u in chances]
    for level, drawn, recorded in zip(LEVELS, np.quantile(mix, LEVELS), RECORDED_WAIT_S, strict=True):
        assert 0.5 < drawn / recorded < 2.0, level


@pytest.mark.parametrize(("name", "arguments"), [request[:2] for request in task.REQUESTS])
def test_a_call_fits_the_schema_of_its_tool(name: str, arguments: dict[str, object]) -> None:
    schema = TOOLS[name].input_schema
    kinds = {"string": str, "integer": int, "boolean": bool}
    assert set(schema["required"]) <= set(arguments) <= set(schema["properties"])
    for argument, value in arguments.items():
        assert isinstance(value, kinds[schema["properties"][argument]["type"]])


def test_every_tool_is_called() -> None:
    assert {name for name, *_ in task.REQUESTS} == set(TOOLS)
