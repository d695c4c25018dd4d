"""Tests of scenarios/research_task.py: searches as LLMCompiler measured them, and calls that fit their tools."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from latlab.benchmarks.shipped import import_file, scenarios_folder
from mockllm.core.draws import uniforms

task = import_file(scenarios_folder() / "research_task.py")
TOOLS = {tool.name: tool for tool in task.TOOLS}


def test_a_search_takes_what_was_published() -> None:
    # LLMCompiler's Movie set-up: 0.61 s in the mean, 1.13 s for the slowest of eight.
    chances = [uniforms(f"search {n}") + uniforms(f"search {n} again") for n in range(4_000)]
    eights = [[task.SEARCH_WEB.latency_s.quantile(u) for u in eight] for eight in chances]
    assert np.mean(eights) == pytest.approx(0.61, rel=0.01)
    assert np.mean(np.max(eights, axis=1)) == pytest.approx(1.13, rel=0.05)


@pytest.mark.parametrize(("name", "arguments"), [request[:2] for request in task.REQUESTS])
def test_a_call_fits_the_schema_of_its_tool(name: str, arguments: dict[str, object]) -> None:
    schema = TOOLS[name].input_schema
    assert set(schema["required"]) <= set(arguments) <= set(schema["properties"])


def test_no_two_calls_of_a_turn_are_the_same() -> None:
    asked = [str(request) for request in task.REQUESTS]
    assert len(asked) == len(set(asked))
    assert all(before != after for before, after in pairwise([*asked, asked[0]]))
