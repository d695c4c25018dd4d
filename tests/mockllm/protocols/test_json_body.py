from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.protocols import json_body
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.json_body import read_object


def test_an_object_is_read_as_it_is() -> None:
    assert read_object(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"\xff", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
)
def test_anything_else_is_refused_in_one_line(raw: bytes) -> None:
    with pytest.raises(ApiError, match="The request body is not valid JSON") as caught:
        read_object(raw)
    assert caught.value.status == 400
    assert "\n" not in caught.value.message


def test_half_a_surrogate_pair_is_no_text_and_a_whole_one_is() -> None:
    for half in (rb"\ud800", rb"\uDFff", rb"a\ud83dx"):
        with pytest.raises(ApiError, match="lone surrogate"):
            read_object(b'{"a": ["' + half + b'"]}')
        with pytest.raises(ApiError, match="lone surrogate"):
            read_object(b'{"' + half + b'": 1}')
    assert read_object(rb'{"a": "\ud83d\ude00 \\ud800"}') == {"a": "\U0001f600 \\ud800"}


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
VALUES = st.recursive(
    NUMBERS | st.sampled_from(["null", "true", "NaN", "-Infinity", "9" * 400 + ".0"]) | st.text().map(json.dumps),
    lambda inner: st.lists(inner, max_size=3).map(lambda held: f"[{','.join(held)}]"),
    max_leaves=5,
)


@given(name=st.text(max_size=3), value=VALUES, noise=st.binary(max_size=2))
def test_the_quick_way_of_reading_changes_nothing(name: str, value: str, noise: bytes) -> None:
    raw = f"{{{json.dumps(name)}: {value}}}".encode() + noise
    assert _outcome(read_object, raw) == _outcome(json_body._exactly, raw)


def _outcome(read: Callable[[bytes], Any], raw: bytes) -> str:
    try:
        return repr(read(raw))
    except ApiError as error:
        return error.message


def test_what_is_long_is_read_as_well() -> None:
    assert read_object(b'{"a": "' + b"b" * (2 << 20) + b'"}') == {"a": "b" * (2 << 20)}
