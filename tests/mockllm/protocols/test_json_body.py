from __future__ import annotations

import pytest

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.json_body import read_object


def test_an_object_is_read_as_it_is() -> None:
    assert read_object(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 1' + b"0" * 250 + b"e99}",
        b"[" * 100_000,
        '{"a": 1}'.encode("utf-16"),
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_anything_else_is_refused_in_one_line(raw: bytes) -> None:
    with pytest.raises(ApiError, match="The request body is not valid JSON") as caught:
        read_object(raw)
    assert caught.value.status == 400
    assert "\n" not in caught.value.message


def test_a_mark_of_the_byte_order_is_passed_over() -> None:
    assert read_object(b"\xef\xbb\xbf" + b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_an_object_may_be_254_levels_deep_and_no_more(opening: bytes, closing: bytes) -> None:
    def deep(levels: int) -> bytes:
        return b'{"a":' + opening * (levels - 1) + b"1" + closing * (levels - 1) + b"}"

    read_object(deep(254))
    with pytest.raises(ApiError, match="nested too deeply"):
        read_object(deep(255))
    assert len(read_object(b'{"a": [' + b"[]," * 300 + b"[]]}")["a"]) == 301


def test_half_a_surrogate_pair_is_no_text_and_a_whole_one_is() -> None:
    for half in (rb"\ud800", rb"\uDFff", rb"a\ud83dx"):
        with pytest.raises(ApiError, match="not valid JSON"):
            read_object(b'{"a": ["' + half + b'"]}')
        with pytest.raises(ApiError, match="not valid JSON"):
            read_object(b'{"' + half + b'": 1}')
    assert read_object(rb'{"a": "\ud83d\ude00 \\ud800"}') == {"a": "\U0001f600 \\ud800"}
