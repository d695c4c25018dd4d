from __future__ import annotations

import pytest

import mockllm.testing


@pytest.mark.parametrize("name", mockllm.testing.__all__)
def test_what_is_exported_is_there(name: str) -> None:
    assert getattr(mockllm.testing, name).__name__ == name


def test_nothing_else_is_exported() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'MockServr'"):
        _ = mockllm.testing.MockServr
