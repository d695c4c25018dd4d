"""Replay: which recorded answer a question gets, and when its chunks come under a profile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.recording import Chunk, Exchange
from mockllm.core.replay import Replay, Tokens, as_recorded, by_question, is_stream, retimed, tokens_of
from mockllm.core.timeline import Service

SERVICE = Service(make_profile())
DRAWS = Draws(1, 0)
CACHED = {"cache_creation_input_tokens": 7, "cache_read_input_tokens": 90}
JSON = (("content-type", "application/json"),)
STREAM = (("content-type", "text/event-stream; charset=utf-8"),)


def exchange(*chunks: bytes, question: str = "q", headers: Any = STREAM, body: bytes = b"{}") -> Exchange:
    held = tuple([Chunk(10 * place, data) for place, data in enumerate(chunks, 1)])
    return Exchange("POST", "/v1/messages", (), body, 200, headers, 5, held, 1000, asked=question)


def test_several_answers_to_one_question_come_in_order_and_the_last_repeats() -> None:
    recording = by_question([exchange(b"1"), exchange(b"x", question="other"), exchange(b"2"), exchange(b"3")])
    one, other = Replay(recording), Replay(recording)
    assert [one.take("q").chunks[0].data for _ in range(5)] == [b"1", b"2", b"3", b"3", b"3"]
    assert other.take("q").chunks[0].data == b"1"  # every run begins anew
    assert one.take("other").chunks[0].data == b"x"
    assert one.take("never asked") is None


def test_as_recorded_headers_chunks_and_the_end_keep_their_moments() -> None:
    assert as_recorded(exchange(b"a", b"b")) == [(5, b""), (10, b"a"), (20, b"b"), (1000, b"")]


def usage(text: str) -> Tokens:
    return tokens_of(exchange(text.encode()), SERVICE.counter)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        ({**CACHED, "input_tokens": 5, "output_tokens": 3}, (12, 90, 3)),
        ({"input_tokens": 5, "output_tokens": 3}, (5, 0, 3)),
        ({"prompt_tokens": 100, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 64}}, (36, 64, 3)),
        ({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 64}, "output_tokens": 3}, (36, 64, 3)),
    ],
)
def test_the_tokens_of_an_answer_are_what_it_says_itself(answer: Any, tokens: Any) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        assert usage(json.dumps({"usage": answer}, separators=separators)) == tokens


def test_of_counts_that_a_stream_says_twice_the_last_is_meant() -> None:
    assert usage('{"input_tokens":5,"output_tokens":1}\n\n{"output_tokens":300}') == (5, 0, 300)


def test_what_an_answer_does_not_say_is_counted() -> None:
    said_nothing = exchange(b"x" * 40, body=b"y" * 400)
    assert tokens_of(said_nothing, SERVICE.counter) == (100, 0, 10)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=40), st.integers(1, 300))
def test_a_profile_keeps_the_boundaries_and_begins_and_ends_as_it_would(chunks: list[bytes], output: int) -> None:
    said = b'"input_tokens":1000,"output_tokens":%d' % output
    held = exchange(*chunks, said)
    timeline = SERVICE.plan(DRAWS, Identity("a"), 1000, 0, output)
    (headers_us, nothing), *writes, last = retimed(held, SERVICE, SERVICE.counter, DRAWS, Identity("a"))
    assert (headers_us, nothing, last) == (timeline.first_us, b"", (timeline.end_us, b""))
    assert [data for _, data in writes] == [*chunks, said]
    times = [at_us for at_us, _ in writes]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (timeline.first_us, timeline.end_us)


def test_under_a_profile_chunks_come_with_its_flushes() -> None:
    held = exchange(*[b"x" * 10] * 100, b'"input_tokens":50,"output_tokens":400')
    times = {at_us for at_us, data in retimed(held, SERVICE, SERVICE.counter, DRAWS, Identity("a")) if data}
    timeline = SERVICE.plan(DRAWS, Identity("a"), 50, 0, 400)
    assert times <= {flush.at_us for flush in SERVICE.flushes(timeline, DRAWS, Identity("a"))}
    assert len(times) > 40


def test_under_a_profile_a_whole_answer_comes_at_its_end() -> None:
    held = exchange(b'{"usage":{"input_tokens":5,', b'"output_tokens":3}}', headers=JSON)
    assert not is_stream(held)
    end_us = SERVICE.plan(DRAWS, Identity("a"), 5, 0, 3).end_us
    writes = retimed(held, SERVICE, SERVICE.counter, DRAWS, Identity("a"))
    assert writes == [(end_us, chunk.data) for chunk in held.chunks]
