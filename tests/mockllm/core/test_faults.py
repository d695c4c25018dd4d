from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.draws import Draws
from mockllm.core.faults import FaultError, FaultRule, faults_of, pick_fault, read_rules, spoil, spoil_whole
from mockllm.core.identity import Identity

FAILED = b"event: error\ndata: {}\n\n"
FIRST, SECOND, THIRD = b"event: a\ndata: {}\n\n", b"event: b\ndata: {1}\n\n", b"event: c\ndata: {}\n\n"
# Two events at the first instant, one at the second, two at the third.
WRITES = [(10, FIRST + SECOND), (20, SECOND), (30, SECOND + THIRD)]


def rule(kind: str, **fields: object) -> FaultRule:
    return FaultRule.model_validate({"kind": kind, **fields})


def joined(writes: list[tuple[int, bytes]]) -> bytes:
    return b"".join(data for _, data in writes)


def test_a_rule_of_one_call_and_one_attempt_lets_the_retry_pass() -> None:
    rules = read_rules({"kind": "overloaded", "call": "main/turn-3", "attempts": [0]})
    picked = [
        pick_fault(rules, Draws(1, 0), Identity(*one)) for one in (("main/turn-3", 0), ("main/turn-3", 1), ("x", 0))
    ]
    assert [fault and fault.kind for fault in picked] == ["overloaded", None, None]


@given(seed=st.integers(0, 10), rate=st.floats(0, 1), order=st.permutations(range(200)))
def test_which_requests_fail_is_a_matter_of_their_names_and_not_of_their_order(
    seed: int, rate: float, order: list[int]
) -> None:
    rules, draws = (rule("cut", rate=rate),), Draws(seed, 0)
    failed = {n for n in order if pick_fault(rules, draws, Identity(f"call-{n}"))}
    assert failed == {n for n in range(200) if pick_fault(rules, draws, Identity(f"call-{n}"))}


def test_a_rate_is_the_share_that_fails_and_a_retry_has_luck_of_its_own() -> None:
    rules, draws = (rule("server_error", rate=0.2),), Draws(1, 0)
    first = [pick_fault(rules, draws, Identity(f"call-{n}")) is not None for n in range(4000)]
    again = [pick_fault(rules, draws, Identity(f"call-{n}", 1)) is not None for n in range(4000)]
    assert 700 < sum(first) < 900  # 800, with a standard deviation of 25
    assert 100 < sum(one and two for one, two in zip(first, again, strict=True)) < 220


def test_two_rules_of_a_kind_draw_apart_and_another_kind_between_them_shifts_nothing() -> None:
    draws = Draws(1, 0)
    two = (rule("cut", rate=0.3), rule("cut", rate=0.3))
    three = (two[0], rule("stall", rate=0.0), two[1])
    names = [Identity(f"call-{n}") for n in range(500)]
    assert [pick_fault(two, draws, name) for name in names] == [pick_fault(three, draws, name) for name in names]
    assert sum(pick_fault(two, draws, name) is not None for name in names) > 200  # 1 - .7 * .7 of 500


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"kind": "fire"}, "faults.0.kind: "),
        ({"kind": "cut", "rate": 2}, "faults.0.rate: "),
        ([{"kind": "cut"}, {"kind": "cut", "colour": 1}], "faults.1.colour: Extra inputs are not permitted"),
        ("cut", "faults.0: "),
        ({"kind": "stall", "wait_s": float("nan")}, "faults.0.wait_s: "),
    ],
)
def test_a_rule_that_cannot_be_read_is_one_line_with_its_field(value: object, line: str) -> None:
    with pytest.raises(FaultError) as caught:
        read_rules(value)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_command_line_says_kind_and_rate() -> None:
    assert faults_of(["overloaded=0.05", "cut"]) == (rule("overloaded", rate=0.05), rule("cut"))
    for wrong in ("fire=0.1", "cut=often", "cut=7", "=1"):
        with pytest.raises(FaultError, match=f"--fault {wrong}: write KIND=RATE"):
            faults_of([wrong])


def test_an_error_event_takes_the_place_of_what_would_have_come_at_its_instant() -> None:
    assert spoil(rule("error_event", after=0.5), WRITES, FAILED).writes == [*WRITES[:2], (30, FAILED)]


def test_a_cut_stream_breaks_off_within_an_event() -> None:
    cut, dropped = spoil(rule("cut", after=0.5), WRITES, FAILED)
    assert dropped
    assert cut == [*WRITES[:2], (30, SECOND[: len(SECOND) // 2])]


def test_a_truncated_stream_ends_between_two_events_and_says_nothing() -> None:
    assert spoil(rule("truncated", after=0.4), WRITES, FAILED) == ([WRITES[0]], False)


def test_a_stall_holds_the_rest_back_and_a_slow_start_everything() -> None:
    assert spoil(rule("stall", after=0.6, wait_s=2), WRITES, FAILED).writes == [*WRITES[:2], (2_000_030, WRITES[2][1])]
    assert spoil(rule("slow_start", wait_s=1), WRITES, FAILED).writes == [(at + 1_000_000, data) for at, data in WRITES]


def test_a_malformed_event_is_framed_and_broken() -> None:
    writes = spoil(rule("malformed", after=0.6), WRITES, FAILED).writes
    assert writes[:2] == WRITES[:2]
    assert writes[2][1] == SECOND[: len(SECOND) // 2].rstrip() + b"\n\n" + THIRD


@given(
    kind=st.sampled_from(["error_event", "cut", "truncated", "malformed"]),
    after=st.floats(0, 1),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20),
)
def test_a_spoiled_stream_begins_as_planned_and_is_never_whole(kind: str, after: float, sizes: list[int]) -> None:
    writes = [(10 * n, b"event: e\ndata: {1}\n\n" * size) for n, size in enumerate(sizes)]
    if sum(sizes) == 1:
        return
    spoiled = spoil(rule(kind, after=after), writes, FAILED)
    assert joined(spoiled.writes).startswith(b"event: e\ndata: {1}\n\n")
    assert joined(spoiled.writes) != joined(writes)
    assert [at for at, _ in spoiled.writes] == sorted(at for at, _ in spoiled.writes)


def test_a_body_is_halved_where_a_stream_would_lose_events() -> None:
    whole = [(50, b'{"a":1}!')]
    assert spoil_whole(rule("cut"), whole) == ([(50, b'{"a"')], True)
    assert spoil_whole(rule("truncated"), whole) == ([(50, b'{"a"')], False)
    assert spoil_whole(rule("malformed"), whole) == ([(50, b'{"a"')], False)
    assert spoil_whole(rule("stall", wait_s=3), whole).writes == [(50, b'{"a"'), (3_000_050, b":1}!")]
    assert spoil_whole(rule("slow_start", wait_s=3), whole).writes == [(3_000_050, whole[0][1])]


def test_the_usual_wait_of_a_kind_gives_way_to_one_of_the_rule_s_own() -> None:
    assert [rule(kind).wait_us for kind in ("stall", "slow_start", "overloaded")] == [30_000_000, 10_000_000, 0]
    assert rule("stall", wait_s=0).wait_us == 0


def test_another_content_type_is_a_page_of_somebody_else_s() -> None:
    page = spoil(rule("wrong_content_type"), WRITES, FAILED).writes
    assert page[0][0] == 10
    assert page[0][1].startswith(b"<!doctype html>")
    assert spoil_whole(rule("wrong_content_type"), [(50, b"{}")]).writes == [(50, page[0][1])]
