from __future__ import annotations

import pytest

from mockllm.core.cache_diagnosis import CacheDiagnosis
from mockllm.core.identity import Identity
from mockllm.core.request import FIVE_MINUTES_US, Block, Breakpoint, Prefix, Request

LEVELS = {"t": "tools", "s": "system", "m": "messages"}


def asked(blocks: str, previous: str | None = "", model: str = "m", workspace: str = "w") -> Request:
    """A hundred tokens for each letter pair of `blocks`: its level, and what tells it apart."""
    prefix = Prefix(f"{model} {workspace}")
    pairs = [blocks[at : at + 2] for at in range(0, len(blocks), 2)]
    for level, letter in pairs:
        prefix.append(Block(LEVELS[level], 100, "text", "user", letter, 100))
    mark = Breakpoint(len(pairs) - 1, FIVE_MINUTES_US)
    return Request(
        Identity("a"), model, prefix, len(pairs), (mark,), 100, False, workspace=workspace, previous_id=previous
    )


def explained(before: str, now: str, read_tokens: int = 0, **fields: str) -> object:
    diagnosis = CacheDiagnosis()
    diagnosis.remember(asked(before), "msg_1", 100 * (len(before) // 2))
    return diagnosis.explain(asked(now, "msg_1", **fields), read_tokens)


@pytest.mark.parametrize(
    ("now", "kind"),
    [("txs1m1m2", "tools_changed"), ("t1sxm1m2", "system_changed"), ("t1s1mxm2", "messages_changed"),
     ("s1m1m2", "tools_changed"), ("t1m1m2", "system_changed"), ("t1s1m1", "messages_changed")],
)  # fmt: skip
def test_the_first_level_that_differs_is_the_reason(now: str, kind: str) -> None:
    assert explained("t1s1m1m2", now) == {"type": kind, "cache_missed_input_tokens": 400}


def test_another_speed_counts_as_another_model() -> None:
    diagnosis = CacheDiagnosis()
    diagnosis.remember(asked("m1"), "msg_1", 100)
    fast = asked("m1", "msg_1")
    fast.speed = "fast"
    assert diagnosis.explain(fast, 0) == {"type": "model_changed", "cache_missed_input_tokens": 100}


def test_another_model_is_named_before_all_else_and_another_workspace_knows_nothing() -> None:
    assert explained("t1s1m1", "txsxmx", model="n") == {"type": "model_changed", "cache_missed_input_tokens": 300}
    assert explained("t1s1m1", "t1s1m1", workspace="v") == {"type": "previous_message_not_found"}


def test_what_was_read_is_not_missed() -> None:
    assert explained("t1s1m1", "t1s1m1m2", read_tokens=300) is None
    assert explained("t1s1m1", "t1s1mxm2", read_tokens=200) == {
        "type": "messages_changed",
        "cache_missed_input_tokens": 100,
    }


def test_a_prompt_that_only_grew_has_lost_its_entry_and_nothing_explains_that() -> None:
    assert explained("t1s1m1", "t1s1m1m2") == {"type": "unavailable"}


def test_nobody_is_told_who_does_not_ask_and_an_answer_that_is_not_known_is_said_so() -> None:
    diagnosis = CacheDiagnosis()
    assert diagnosis.explain(asked("m1", ""), 0) is None
    assert diagnosis.explain(asked("m1", "msg_9"), 0) == {"type": "previous_message_not_found"}


def test_the_answers_that_are_remembered_are_the_last_ones() -> None:
    diagnosis = CacheDiagnosis()
    for number in range(5000):
        diagnosis.remember(asked("m1"), f"msg_{number}", 100)
    assert len(diagnosis._answers) == 4096
    assert diagnosis.explain(asked("m1", "msg_0"), 0) == {"type": "previous_message_not_found"}
    assert diagnosis.explain(asked("m1", "msg_4999"), 0) == {"type": "unavailable"}
