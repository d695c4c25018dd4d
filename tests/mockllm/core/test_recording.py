"""Recordings: what is written is read again, nothing that identifies anyone is written, and questions have names."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.recording import (
    FORMAT,
    Chunk,
    Exchange,
    RecordingError,
    asked,
    read_recording,
    redacted,
    write_line,
)
from mockllm.core.redaction import CREDENTIAL, ORGANIZATION, USER

KEY = "sk-ant-api03-Zx8_QwErTy-0123456789abcdefAA"
PLAIN_KEY = "no/form+of=a key that anyone knows"  # found since it was carried, and for no other reason
ORG = "3f2b8a10-77aa-4c1e-9d2f-0a1b2c3d4e5f"
SESSION = "user_5f_account_77_session_a1b2c3d4"
QUESTION = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Is it late?"}]}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.binary(max_size=60) | JSON.map(lambda plain: json.dumps(plain).encode())
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "Authorization", "request-id", "x-ratelimit-limit-tokens", "server"]),
        st.text("abc019;=-_ ", min_size=1, max_size=20).map(str.strip),
    ),
    max_size=4,
).map(tuple)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    headers_us, *times = sorted(draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=6)))
    data = [draw(st.binary(max_size=30) | TEXT.map(str.encode)) for _ in times]
    chunks = tuple([Chunk(at_us, piece) for at_us, piece in zip(times, data, strict=True)])
    return Exchange(
        draw(st.sampled_from(["GET", "POST"])),
        "/" + draw(st.text("abc/?=&%20_", max_size=20)),
        draw(HEADERS),
        draw(BODIES),
        draw(st.integers(200, 599)),
        draw(HEADERS),
        headers_us,
        chunks,
        (times[-1] if times else headers_us) + draw(st.integers(0, 1000)),
        draw(st.booleans()),
    )


def exchange(body: Any = QUESTION, **fields: Any) -> Exchange:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    plain = Exchange("POST", "/v1/messages", (), sent, 200, (), 4, (Chunk(5, b"data"),), 9)
    return plain._replace(**fields)


def ask(body: Any, path: str = "/v1/messages", headers: tuple[tuple[str, str], ...] = (), method: str = "POST") -> str:
    return asked(method, path, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


# There and back


@given(st.lists(exchanges(), min_size=1, max_size=4))
def test_what_is_written_is_read_again(held: list[Exchange]) -> None:
    written = b"".join([write_line(one) for one in held])
    assert written.isascii()
    assert read_recording(written.splitlines(keepends=True), "x.jsonl") == [redacted(one) for one in held]


@given(exchanges())
def test_what_was_read_is_written_as_it_was(held: Exchange) -> None:
    line = write_line(held)
    (read,) = read_recording([line], "x.jsonl")
    assert write_line(read) == line


@given(exchanges())
def test_the_digits_in_a_recording_are_those_of_the_request(held: Exchange) -> None:
    assert redacted(held).asked == asked(held.method, held.path, held.request_headers, held.body)


def test_only_headers_that_say_something_about_the_answer_are_kept() -> None:
    held = redacted(
        exchange(
            request_headers=(("Anthropic-Version", "2023-06-01"), ("User-Agent", "x"), ("Host", "y")),
            headers=(
                ("Content-Type", "text/event-stream"),
                ("Server", "cloudflare"),
                ("Set-Cookie", "a=b"),
                ("anthropic-ratelimit-tokens-remaining", "79000"),
                ("Content-Length", "4"),
                ("Cache-Control", "no-cache"),
                ("cache-control", "no-store"),
            ),
        )
    )
    assert held.request_headers == (("anthropic-version", "2023-06-01"),)
    assert dict(held.headers) == {
        "content-type": "text/event-stream",
        "anthropic-ratelimit-tokens-remaining": "79000",
        "cache-control": "no-cache, no-store",
    }


# What is not written


def test_no_credential_reaches_a_line_wherever_it_was() -> None:
    question = {
        **QUESTION,
        "metadata": {"user_id": SESSION},
        "messages": [{"role": "user", "content": f"My key is {KEY}, {PLAIN_KEY} or {SESSION} in {ORG}"}],
    }
    answer = json.dumps({"echo": f"{KEY} {PLAIN_KEY} {SESSION}", "org": f"(org: {ORG})"}).encode()
    held = exchange(
        question,
        path=f"/v1/messages?beta=true&api_key={KEY}&key=0123456789",
        request_headers=(
            ("Authorization", f"Bearer {KEY}"),
            ("X-Api-Key", PLAIN_KEY),
            ("Cookie", "s=abcdefghij"),
        ),
        headers=(
            ("anthropic-organization-id", ORG),
            ("Set-Cookie", "cf=klmnopqrstuv; Path=/"),
            ("request-id", f"req_{KEY}"),
        ),
        headers_us=0,
        chunks=tuple([Chunk(place, answer[place : place + 1]) for place in range(len(answer))]),
        end_us=10_000,
    )
    line = write_line(held)
    assert b64encode(b"abc" + PLAIN_KEY.encode()) not in line
    for secret in (KEY, PLAIN_KEY, SESSION, ORG, "abcdefghij", "klmnopqrstuv", "0123456789"):
        assert secret.encode() not in line
    (read,) = read_recording([line], "x.jsonl")
    assert read.path == f"/v1/messages?beta=true&api_key={CREDENTIAL}&key={CREDENTIAL}"
    said = json.loads(b"".join([chunk.data for chunk in read.chunks]))
    assert said == {"echo": f"{CREDENTIAL} {CREDENTIAL} {USER}", "org": f"(org: {ORGANIZATION})"}
    assert json.loads(read.body)["metadata"] == {"user_id": USER}
    assert len(read.chunks) == len(held.chunks)


@pytest.mark.parametrize("place", ["metadata", "user", "safety_identifier"])
def test_who_the_user_is_is_removed_however_short_the_name(place: str) -> None:
    value = {"user_id": "bob"} if place == "metadata" else "bob"
    kept = json.loads(redacted(exchange({**QUESTION, place: value})).body)[place]
    assert kept == ({"user_id": USER} if place == "metadata" else USER)


def test_an_escape_of_the_client_s_own_hides_nothing() -> None:
    body = json.dumps(QUESTION).replace("late", f"\\u0073{KEY[1:]}").encode()
    assert KEY.encode() not in write_line(exchange(body))


def test_a_body_that_is_no_json_is_searched_too() -> None:
    for body in (f"key={KEY}".encode(), b"\xff\xfe" + KEY.encode(), b'{"k": NaN, "v": "' + KEY.encode()):
        line = write_line(exchange(body))
        assert KEY.encode() not in line
        assert b64encode(body)[8:40] not in line
        (read,) = read_recording([line], "x.jsonl")
        assert CREDENTIAL.encode() in read.body


# What is asked


@pytest.mark.parametrize(
    "same",
    [
        dict(reversed(QUESTION.items())),
        {**QUESTION, "metadata": {"user_id": "someone"}},
        {**QUESTION, "user": "someone"},
        {**QUESTION, "cache_control": {"type": "ephemeral"}},
        {**QUESTION, "messages": [{"role": "user", "content": [{"type": "text", "text": "Is it late?"}]}]},
        {
            **QUESTION,
            "messages": [
                {
                    "content": [{"type": "text", "text": "Is it late?", "cache_control": {"type": "ephemeral"}}],
                    "role": "user",
                }
            ],
        },
    ],
)
def test_what_does_not_change_the_answer_does_not_change_what_is_asked(same: Any) -> None:
    assert ask(same) == ask(QUESTION)


@pytest.mark.parametrize(
    "other",
    [
        {**QUESTION, "model": "n"},
        {**QUESTION, "stream": True},
        {**QUESTION, "max_tokens": 6},
        {**QUESTION, "system": "Be brief."},
        {**QUESTION, "tools": []},
        {**QUESTION, "messages": [{"role": "user", "content": "Is it early?"}]},
    ],
)
def test_whatever_may_change_the_answer_changes_what_is_asked(other: Any) -> None:
    assert ask(other) != ask(QUESTION)
    assert ask(QUESTION, "/v1/other") != ask(QUESTION)
    assert ask(QUESTION, method="PUT") != ask(QUESTION)


def test_another_key_asks_the_same_even_where_it_is_part_of_the_question() -> None:
    def question(key: str) -> str:
        body = {**QUESTION, "messages": [{"role": "user", "content": f"My key is {key}."}]}
        return ask(body, f"/v1/messages?key={key}", (("x-api-key", key),))

    assert question("a-first/key") == question("and-quite+another:key")


# What cannot be read


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"format": "mockllm-recording/9"}, '"mockllm-recording/9"'),
        ({"format": None}, "record it again"),
        ({"chunks": [["x", "y"]]}, "chunks.0"),
        ({"chunks": [[5]]}, "chunks.0"),
        ({"chunks": [[-1, "x"]]}, "chunks.0"),
        ({"chunks": [[5, "x"], [4, "y"]]}, "chunks.1: no pair of whole microseconds, in order"),
        ({"chunks": [[50, "x"]]}, "chunks.0: no pair"),
        ({"chunks": [[3, "x"]]}, "chunks.0: no pair"),
        ({"chunks": [], "headers_us": 10}, "headers_us: lies after end_us"),
        ({"chunks": [[5, {"base64": "?"}]]}, "base64"),
        ({"status": 42}, "status"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers.a"),
        ({"asked": "x"}, "asked"),
        ({"path": "v1"}, "path"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_file(change: dict[str, Any], part: str) -> None:
    good = write_line(exchange())
    bad = json.dumps({**json.loads(good), **change}).encode()
    with pytest.raises(RecordingError) as caught:
        read_recording([good, b"\n", bad], "x.jsonl")
    told = str(caught.value)
    assert told.startswith("x.jsonl:3: ")
    assert part in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("line", [b"{", b"\xff", b"5", b"[]", write_line(exchange())[:-20]])
def test_what_is_no_line_of_a_recording_is_named_too(line: bytes) -> None:
    with pytest.raises(RecordingError, match=r"^x\.jsonl:1: "):
        read_recording([line], "x.jsonl")


def test_an_empty_recording_says_how_to_fill_it() -> None:
    with pytest.raises(RecordingError, match="mockllm record"):
        read_recording([b"\n"], "x.jsonl")


def test_the_format_is_versioned() -> None:
    assert json.loads(write_line(exchange()))["format"] == FORMAT
