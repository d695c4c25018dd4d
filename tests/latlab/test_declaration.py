from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

import latlab
from latlab.config import BenchmarkConfig
from latlab.declaration import (
    CONDITIONS,
    Benchmark,
    ConfigError,
    Scenario,
    as_settings,
    benchmark,
    configure,
    parse_setting,
    scenario,
)
from latlab.harness.study import words
from latlab.optimizations import TOGGLES

configs = st.builds(
    BenchmarkConfig,
    streaming=st.booleans(),
    cache_control=st.sampled_from(["off", "system", "conversation", "auto"]),
    parallel_tools=st.booleans(),
    connection_reuse=st.booleans(),
    cache_start=st.sampled_from(["cold", "warm"]),
)


async def echo(subject: object) -> object:
    return subject


def test_the_package_offers_the_decorators_by_name() -> None:
    assert latlab.scenario is scenario
    assert latlab.benchmark is benchmark


def test_a_declared_scenario_has_its_name_and_summary_and_runs_in_the_lab_it_is_given() -> None:
    declared = scenario("echo", summary="says it again")(echo)
    assert isinstance(declared, Scenario)
    assert (declared.name, declared.summary) == ("echo", "says it again")
    assert asyncio.run(_awaited(declared("a lab"))) == "a lab"  # type: ignore[arg-type]  # stands for a lab


async def _awaited(awaitable: object) -> object:
    return await awaitable  # type: ignore[misc]  # whatever it is


def test_what_is_not_async_is_refused_where_it_is_declared() -> None:
    def plain(_: object) -> None: ...

    for declare in (scenario("plain", summary="a test"), benchmark(streaming=True)):
        with pytest.raises(ConfigError, match="plain is not async; declare it with async def"):
            declare(plain)  # type: ignore[arg-type]  # what is refused


def test_a_benchmark_is_named_by_its_function_and_summarised_by_its_first_words() -> None:
    async def of_mine(config: BenchmarkConfig) -> None:
        """what
        it does"""

    declared = benchmark(streaming=True)(of_mine)
    assert isinstance(declared, Benchmark)
    assert (declared.name, declared.summary, declared.toggles) == ("of_mine", "what it does", {"streaming": True})


def test_a_benchmark_without_words_is_summarised_by_its_toggles() -> None:
    assert benchmark(streaming=True, parallel_tools=True)(echo).summary == "what streaming, parallel_tools do"


@pytest.mark.parametrize(
    ("value", "meant"), [(True, "conversation"), (False, "off"), ("auto", "auto"), ("system", "system")]
)
def test_caching_in_a_benchmark_may_be_switched_like_any_toggle(value: bool | str, meant: str) -> None:
    assert benchmark(cache_control=value)(echo).toggles == {"cache_control": meant}


def test_a_benchmark_of_an_unknown_toggle_is_refused_where_it_is_declared() -> None:
    with pytest.raises(ConfigError, match=r"paralel_tools: no such toggle; did you mean parallel_tools\?"):
        benchmark(paralel_tools=True)


def test_a_condition_is_nothing_that_a_benchmark_could_compare() -> None:
    with pytest.raises(ConfigError, match=r"cache_start.* set it with --set"):
        benchmark(cache_start="warm")


@pytest.mark.parametrize("text", ["true", "TRUE", " true ", "on", "yes", "1"])
def test_words_for_on_are_true(text: str) -> None:
    assert parse_setting("streaming", text) is True


@pytest.mark.parametrize("text", ["false", "False", "off", "no", "0"])
def test_words_for_off_are_false(text: str) -> None:
    assert parse_setting("streaming", text) is False


def test_off_is_a_value_of_its_own_where_a_toggle_has_it() -> None:
    assert parse_setting("cache_control", "off") == "off"


@pytest.mark.parametrize(("name", "text"), [("streaming", ""), ("streaming", "2"), ("cache_control", "true")])
def test_a_value_that_does_not_exist_is_answered_with_those_that_do(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}={text}: no such value; {name} takes ") as error:
        parse_setting(name, text)
    assert "\n" not in str(error.value)


def test_toggles_conditions_and_the_configuration_speak_of_the_same_names() -> None:
    assert [one.name for one in (*TOGGLES, *CONDITIONS)] == list(as_settings(BenchmarkConfig()))


@given(configs)
def test_a_configuration_survives_being_written_as_words_and_parsed(config: BenchmarkConfig) -> None:
    pairs = [word.split("=") for word in words(as_settings(config))]
    assert configure({name: parse_setting(name, text) for name, text in pairs}) == config
