from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from latlab import LatlabError
from latlab.config import CURRENT_LAB, BenchmarkConfig, NoLabError


def test_the_defaults_are_the_plain_way_to_write_an_agent() -> None:
    assert BenchmarkConfig() == BenchmarkConfig(
        streaming=False, cache_control="off", parallel_tools=False, connection_reuse=True, cache_start="cold"
    )


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        BenchmarkConfig().streaming = True  # type: ignore[misc]  # which must fail


def test_the_lab_outside_a_run_is_one_line_that_says_how_to_start_one() -> None:
    with pytest.raises(NoLabError, match="latlab run FILE") as error:
        BenchmarkConfig().lab  # noqa: B018  # asking is the test
    assert isinstance(error.value, LatlabError)
    assert "\n" not in str(error.value)


def test_the_lab_inside_a_run_is_that_runs() -> None:
    token = CURRENT_LAB.set("this run's lab")  # type: ignore[arg-type]  # stands for a lab
    try:
        assert BenchmarkConfig().lab == "this run's lab"  # type: ignore[comparison-overlap]  # stands for a lab
    finally:
        CURRENT_LAB.reset(token)
