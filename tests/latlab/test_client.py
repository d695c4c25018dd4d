from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from latlab.client import Call, CallRecord
from latlab.conversation import Chat
from mockllm.core.reply import Script


def test_a_call_is_plain_unless_an_optimisation_says_otherwise() -> None:
    call = Call("main/turn-0", Chat("main", "", []), 1, 100, Script(5))
    assert not call.stream
    assert call.breakpoints == ()
    assert not call.automatic_cache
    assert call.reuse_connection
    assert call.attempt == 0


def test_an_optimisation_cannot_change_a_call_that_others_hold() -> None:
    call = Call("main/turn-0", Chat("main", "", []), 1, 100, Script(5))
    with pytest.raises((FrozenInstanceError, AttributeError)):
        call.stream = True  # type: ignore[misc]  # which must fail


def test_records_sort_by_path_and_then_by_attempt() -> None:
    def record(path: str, attempt: int, start_us: int) -> CallRecord:
        return CallRecord(path, attempt, start_us, *[0] * 12)

    late, early, again = record("a", 0, 9), record("b", 0, 1), record("a", 1, 5)
    assert sorted([early, again, late]) == [late, again, early]
