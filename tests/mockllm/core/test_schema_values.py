from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, Optional
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from mockllm.core.schema_values import schema_value


def pick(place: str, count: int) -> int:
    return crc32(place.encode("utf-8", "surrogatepass")) % count


def made(**schema: Any) -> Any:
    return schema_value(schema, pick)


class Unit(Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    city: str = Field(min_length=3, max_length=9)
    country: Literal["NO", "SE"]
    near: Optional[Place] = None  # noqa: UP045  # a reference to itself


class Search(BaseModel, extra="forbid"):
    query: str = Field(min_length=30)
    limit: int = Field(ge=3, lt=5)
    share: float = Field(gt=0.2, lt=0.4)
    step: Annotated[int, Field(multiple_of=7, ge=10)]
    exact: bool
    unit: Unit
    day: date
    places: list[Place] = Field(min_length=2)
    either: int | Place
    nothing: None
    spots: tuple[int, str]
    tags: dict[str, str]


def test_a_value_is_valid_by_the_schema_that_it_was_made_from() -> None:
    value = schema_value(Search.model_json_schema(), pick)
    assert len(Search.model_validate(value).places) == 2


def test_another_key_makes_another_value_and_the_same_key_the_same() -> None:
    schema = Search.model_json_schema()
    assert schema_value(schema, pick) == schema_value(schema, pick)
    assert schema_value(schema, pick) != schema_value(schema, lambda _, count: count - 1)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 5}, 5),
        ({"enum": ["only"]}, "only"),
        ({"type": "string", "pattern": "^x{3}$", "default": "xxx"}, "xxx"),
        ({"type": "string", "pattern": "^x{3}$", "examples": ["xxx"]}, "xxx"),
        ({"type": "string", "format": "email"}, "reader@example.com"),
        ({"type": ["null", "boolean"], "enum": [True]}, True),
        ({"type": "null"}, None),
        ({"allOf": [{"type": "integer", "minimum": 4}, {"maximum": 4}]}, 4),
        ({"oneOf": [{"const": "a"}]}, "a"),
        ({"$ref": "#/$defs/x~1y", "$defs": {"x/y": {"const": 1}}}, 1),
        ({"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6}, 5),
        ({"type": "integer", "maximum": -3, "minimum": -3}, -3),
        ({"type": "number", "minimum": 0.25, "maximum": 0.75}, 0.5),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "string", "maxLength": 0}, ""),
        ({"type": "object", "required": ["a"], "properties": {"a": {"const": 1}, "b": {"const": 2}}}, {"a": 1, "b": 2}),
        (
            {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"const": 1}}}}},
            {"a": {}},
        ),
        ({}, {}),
        (None, {}),
        (True, {}),
        ("text", {}),
    ],
)
def test_each_keyword_does_what_it_says(schema: Any, value: Any) -> None:
    assert schema_value(schema, pick) == value


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"type": "object", "required": ["a", "b", "c"], "properties": {name: {"$ref": "#"} for name in "abc"}},
        {"type": "array", "minItems": 10**9, "items": {"$ref": "#"}},
        {"type": "string", "minLength": 10**18},
        {"type": "integer", "minimum": 10**400},
        {"type": "number", "multipleOf": 1e-300, "minimum": 1e11},
        {"$ref": "elsewhere.json"},
    ],
)
def test_a_schema_that_nothing_finite_can_meet_is_given_up(schema: Any) -> None:
    assert len(repr(schema_value(schema, pick))) < 200_000


_KEYWORDS = """type properties required items prefixItems enum const anyOf oneOf allOf $ref minimum maximum multipleOf
    exclusiveMinimum exclusiveMaximum minLength maxLength minItems maxItems format pattern default examples""".split()  # noqa: SIM905  # a list of words
_WORDS = ["object", "array", "string", "integer", "number", "boolean", "null", "#", "#/items", "date"]
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_KEYWORDS), inner | st.sampled_from(_WORDS), max_size=4)
    ),
    max_leaves=20,
)


@given(_ANY)
@example({"oneOf": []})
def test_no_schema_is_too_strange(schema: Any) -> None:
    schema_value(schema, pick)


def test_numbers_take_their_step() -> None:
    assert made(type="integer", multipleOf=7, minimum=10) % 7 == 0
    assert made(type="number", multipleOf=0.5, minimum=3, maximum=3.2) == 3
