from __future__ import annotations

import pytest

from mockllm.core.identity import CALL_HEADER
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.call_header import call_path


def test_a_call_is_named_by_its_header_alone() -> None:
    assert call_path({CALL_HEADER: "main/turn-1"}) == "main/turn-1"
    assert call_path({}) is None


def test_what_is_no_call_path_is_refused() -> None:
    with pytest.raises(ApiError, match="is no call path") as caught:
        call_path({CALL_HEADER: "two words"})
    assert caught.value.status == 400
