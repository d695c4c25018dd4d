"""Profiles: what makes one valid, what a bad file is told, and what the outer loop may draw."""

from __future__ import annotations

import math
from copy import deepcopy
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile, profile_tables
from pydantic import ValidationError

from mockllm import MockLLMError
from mockllm.core.draws import uniforms
from mockllm.core.profile import Parameter, Profile, ProfileError, Residual, parse_profile
from mockllm.profiles import load

UNIT = st.floats(2.0**-53, 1.0 - 2.0**-53)
NUMBERS = st.floats(-1e6, 1e6).filter(lambda number: number == 0.0 or abs(number) > 1e-12)
RANGES = st.lists(NUMBERS, min_size=3, max_size=3).map(sorted)


def toml(tables: dict[str, Any]) -> str:
    """`tables` as TOML, with every inner table written inline."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in tables.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value).replace("'", '"')


def without(path: str) -> dict[str, Any]:
    tables = deepcopy(profile_tables())
    *outer, name = path.split(".")
    inner = tables
    for step in outer:
        inner = inner[step]
    del inner[name]
    return tables


def with_value(path: str, value: Any) -> dict[str, Any]:
    tables = deepcopy(profile_tables())
    *outer, name = path.split(".")
    inner = tables
    for step in outer:
        inner = inner[step]
    inner[name] = value
    return tables


def complaint(text: str) -> str:
    with pytest.raises(ProfileError) as refused:
        parse_profile(text, "profiles/bad.toml")
    assert isinstance(refused.value, MockLLMError)
    return str(refused.value)


def test_a_complete_file_is_the_profile_that_it_describes() -> None:
    assert parse_profile(toml(profile_tables()), "profiles/good.toml") == make_profile()


@pytest.mark.parametrize(
    ("tables", "field"),
    [
        (without("ttft.intercept_s"), "ttft.intercept_s"),
        (without("decode"), "decode"),
        (without("ttft.intercept_s.source"), "ttft.intercept_s.source"),
        (without("ttft.residual.shift"), "ttft.residual"),
        (without("ttft.intercept_s.interval"), "ttft.intercept_s"),
        (without("ttft.intercept_s.reason"), "ttft.intercept_s"),
        (with_value("ttft.surprise", 1), "ttft.surprise"),
        (with_value("provider", "acme"), "provider"),
        (with_value("price", []), "price"),
        (with_value("price", [{**profile_tables()["price"][0], "input_nusd": -1}]), "price.0.input_nusd"),
        (with_value("ttft.intercept_s.evidence", "guessed"), "ttft.intercept_s.evidence"),
        (with_value("ttft.intercept_s.value", "soon"), "ttft.intercept_s.value"),
        (with_value("ttft.intercept_s.value", 9.0), "ttft.intercept_s"),
        (with_value("ttft.intercept_s.interval", (0.3,)), "ttft.intercept_s.interval"),
        (with_value("decode.tokens_per_s.value", 0), "decode.tokens_per_s"),
        (with_value("decode.tokens_per_s.interval", (0.0, 99.0)), "decode.tokens_per_s"),
        (with_value("decode.rate_cv.value", -0.1), "decode.rate_cv"),
        (with_value("tokens.characters_per_token.value", 0), "tokens.characters_per_token"),
    ],
)
def test_a_bad_file_is_told_in_one_line_which_field_of_which_file_is_wrong(tables, field) -> None:
    told = complaint(toml(tables))
    assert told.startswith(f"profiles/bad.toml: {field}")
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_value_that_is_no_number_is_refused(number) -> None:
    text = toml(with_value("decode.rate_cv.value", 0.125)).replace("0.125", number)
    assert complaint(text).startswith("profiles/bad.toml: decode.rate_cv.value")


@pytest.mark.parametrize("text", ["name = ", "= 1", "[a\n", "a = 1\na = 2\n", "\x00"])
def test_a_file_that_is_not_toml_is_told_so_in_one_line(text) -> None:
    told = complaint(text)
    assert told.startswith("profiles/bad.toml: not a TOML file: ")
    assert len(told.splitlines()) == 1


def test_an_empty_file_is_told_what_it_lacks_first() -> None:
    assert complaint("").startswith("profiles/bad.toml: name: ")


@pytest.mark.parametrize("evidence", ["measured", "published"])
def test_a_value_with_a_source_may_be_exact(evidence) -> None:
    parameter = Parameter(value=3.0, evidence=evidence, source="tests")
    assert parameter.plausible(0.1) == parameter


def test_a_definition_is_exact_and_takes_no_interval() -> None:
    defined = {"value": 0.2, "evidence": "defined", "source": "tests"}
    assert Parameter(**defined).plausible(0.9).value == 0.2
    with pytest.raises(ValidationError, match="defined is exact"):
        Parameter(**defined, interval=(0.1, 0.3))


@given(st.sampled_from(["assumed", "extrapolated"]), RANGES, UNIT)
def test_a_plausible_value_stays_in_the_stated_range(evidence, numbers, u) -> None:
    low, value, high = numbers
    parameter = Parameter(value=value, evidence=evidence, source="t", interval=(low, high), reason="r")
    assert low <= parameter.plausible(u).value <= high


def test_plausible_values_of_a_stated_range_are_spread_evenly() -> None:
    parameter = Parameter(value=1.0, evidence="assumed", source="t", interval=(0.0, 4.0), reason="r")
    assert [parameter.plausible(u).value for u in (0.25, 0.5, 0.75)] == [1.0, 2.0, 3.0]


@given(st.sampled_from(["measured", "published"]), RANGES)
def test_plausible_values_of_a_fit_lie_in_its_interval_nineteen_times_in_twenty(evidence, numbers) -> None:
    low, value, high = numbers
    parameter = Parameter(value=value, evidence=evidence, source="t", interval=(low, high))
    at = [parameter.plausible(u).value for u in (0.025, 0.5, 0.975)]
    assert at == pytest.approx([low, value, high], rel=1e-9, abs=1e-6)
    assert median(parameter.plausible((k + 0.5) / 101).value for k in range(101)) == value


@given(RANGES, UNIT, UNIT)
def test_a_larger_uniform_never_gives_a_smaller_plausible_value(numbers, one, other) -> None:
    low, value, high = numbers
    first, second = sorted((one, other))
    for evidence in ("measured", "assumed"):
        parameter = Parameter(value=value, evidence=evidence, source="t", interval=(low, high), reason="r")
        assert parameter.plausible(first).value <= parameter.plausible(second).value


def values(profile: Profile) -> dict[str, float]:
    return {name: parameter.value for name, parameter in profile.parameters()}


def test_parameters_are_named_by_their_place_in_the_file() -> None:
    names = list(values(make_profile()))
    assert names[0] == "ttft.intercept_s"
    assert {"ttft.residual.sigma", "ttft.spike.mean_s", "decode.tokens_per_s", "connection.setup_s"} <= set(names)
    assert len(names) == len(set(names)) == 19


def test_plausible_profiles_differ_and_each_is_the_same_every_time() -> None:
    profile = make_profile()
    assert profile.plausible(1, 2) == profile.plausible(1, 2)
    drawn = [values(profile.plausible(seed, draw)) for seed in (1, 2) for draw in (1, 2, 3)]
    uncertain = [name for name, parameter in profile.parameters() if parameter.interval]
    exact = [name for name, parameter in profile.parameters() if not parameter.interval]
    assert all(len({draw[name] for draw in drawn}) == 6 for name in uncertain)
    assert all({draw[name] for draw in drawn} == {values(profile)[name]} for name in exact)


def test_two_parameters_with_the_same_evidence_have_luck_of_their_own() -> None:
    same = {"value": 1.0, "evidence": "assumed", "source": "t", "interval": (0.0, 2.0), "reason": "r"}
    drawn = values(make_profile(cached_s_per_1k=same, intercept_s=same).plausible(1, 1))
    assert drawn["ttft.cached_s_per_1k"] != drawn["ttft.intercept_s"]


def test_each_plausible_value_is_drawn_by_the_whole_name_of_its_parameter() -> None:
    profile = make_profile()
    drawn = values(profile.plausible(1, 2))
    for name, parameter in profile.parameters():
        assert drawn[name] == parameter.plausible(uniforms(f"plausible\x1f1\x1f2\x1f{name}")[0]).value


def deviation(residual: Residual) -> float:
    """The standard deviation of a shifted lognormal residual."""
    assert residual.shift is not None
    square = residual.sigma.value**2
    return (1.0 - residual.shift.value) * math.sqrt((math.exp(square) - 1.0) * math.exp(square))


def test_a_plausible_shift_leaves_the_spread_to_sigma() -> None:
    shift = {"value": 0.3, "interval": [0.0, 0.9], "evidence": "measured", "source": "t"}
    profile, exact = make_profile(shift=shift), make_profile(shift={**shift, "interval": None})
    shifts = set()
    for draw in range(1, 60):
        free, fixed = profile.plausible(1, draw).ttft.residual, exact.plausible(1, draw).ttft.residual
        assert free.shift is not None
        assert 0.0 <= free.shift.value <= 0.9
        shifts.add(free.shift.value)
        assert deviation(free) == pytest.approx(deviation(fixed))
    assert len(shifts) > 10


def test_a_shift_that_leaves_no_spread_at_all_is_one_without_a_sigma_to_find() -> None:
    shift = {"value": 1.0, "interval": [1.0, 1.0], "evidence": "measured", "source": "t"}
    assert make_profile(shift=shift).plausible(1, 1).ttft.residual.sigma.value > 0


def test_adding_a_parameter_shifts_no_other() -> None:
    with_spike, without_spike = make_profile(), make_profile(spike=None, uncached_s_per_1k2=None)
    for draw in range(1, 5):
        more, fewer = values(with_spike.plausible(1, draw)), values(without_spike.plausible(1, draw))
        assert len(fewer) == len(more) - 3
        assert fewer.items() <= more.items()


@pytest.mark.parametrize("name", ["probability", "shift"])
def test_a_share_beyond_1_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="must lie between 0 and 1"):
        make_profile(**{name: 1.2})


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1.0), st.floats(1.0, 1e3), UNIT)
def test_what_lies_above_0_is_never_drawn_at_0(value: float, below: float, above: float, u: float) -> None:
    interval = (value * below, value * above)
    assert Parameter(value=value, evidence="measured", source="t", interval=interval).plausible(u).value > 0.0


def test_an_absurd_interval_is_no_reason_to_crash() -> None:
    parameter = Parameter(value=1e-300, evidence="measured", source="t", interval=(1e-305, 1.0))
    assert all(0.0 <= parameter.plausible(u).value < math.inf for u in (2.0**-53, 0.5, 0.975, 1.0 - 2.0**-53))


def test_a_scale_is_drawn_by_factors() -> None:
    parameter = Parameter(value=10.0, evidence="measured", source="t", interval=(5.0, 20.0))
    for u in (0.6, 0.9, 0.99999):
        assert parameter.plausible(u).value * parameter.plausible(1 - u).value == pytest.approx(100.0)


def test_what_lies_between_0_and_1_is_never_drawn_beyond() -> None:
    wide = {"value": 0.0, "interval": [0.0, 0.9], "evidence": "measured", "source": "here"}
    drawn = [Parameter.model_validate(wide).plausible(u).value for u in (0.001, 0.5, 0.97, 0.999999)]
    assert all(0.0 <= value <= 1.0 for value in drawn)
    assert drawn[-1] == 1.0


def test_a_bad_field_is_told_with_its_line() -> None:
    text = load("claude-sonnet-5")[1].decode()
    lines = text.splitlines()
    number = lines.index("[connection.setup_s]") + 3  # the table, its value, its evidence
    wrong = [line.replace('"published"', '"guessed"') if n >= number else line for n, line in enumerate(lines, 1)]
    with pytest.raises(ProfileError, match=rf"^x\.toml: connection\.setup_s\.evidence \(line {number}\): "):
        parse_profile("\n".join(wrong), "x.toml")
