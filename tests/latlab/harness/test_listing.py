from __future__ import annotations

from pathlib import Path

import pytest
from studies_for_tests import ROOT

from latlab.config import BenchmarkConfig
from latlab.declaration import parse_setting
from latlab.harness.listing import Listed, listing
from mockllm.profiles import shipped


@pytest.mark.parametrize("kind", ["scenarios", "benchmarks", "profiles"])
def test_each_kind_is_listed_by_name_and_summary_in_one_line(kind: Listed) -> None:
    rows = listing(kind)
    assert rows
    for row in rows:
        assert set(row) == {"name", "summary"}
        assert row["name"]
        assert row["summary"].strip()
        assert "\n" not in row["summary"]
    assert len({row["name"] for row in rows}) == len(rows)


def test_the_scenarios_of_the_main_question_are_among_the_listed() -> None:
    assert {"simple_qa", "tool_agent"} <= {row["name"] for row in listing("scenarios")}


def test_every_benchmark_module_is_listed() -> None:
    modules = {path.stem for path in Path(ROOT, "latlab", "benchmarks").glob("[!_]*.py")} - {"shipped"}
    assert {row["name"] for row in listing("benchmarks")} == modules


def test_every_shipped_profile_is_listed() -> None:
    assert [row["name"] for row in listing("profiles")] == list(shipped())


def test_every_field_of_the_configuration_is_a_listed_toggle_with_its_default() -> None:
    defaults = BenchmarkConfig()
    rows = {row["name"]: row for row in listing("toggles")}
    assert set(rows) == set(BenchmarkConfig.__dataclass_fields__)
    for name, row in rows.items():
        assert parse_setting(name, row["default"]) == getattr(defaults, name)
        assert row["default"] in row["values"]


def test_every_listed_value_of_a_toggle_is_taken() -> None:
    for row in listing("toggles"):
        assert len({parse_setting(row["name"], value) for value in row["values"]}) == len(row["values"])
