"""Recordings: what is written is read again, nothing that identifies anyone is written, and questions have names."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.carried import USER
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
from mockllm.core.redaction import LEAST_SECRET
from mockllm.core.secret_forms import CREDENTIAL, ORGANIZATION

KEY = "sk-ant-api03-Zx8_QwErTy-0123456789abcdefAA"
PLAIN_KEY = "no/form+of=a key that anyone knows"  # found since it was carried, and for no other reason
ORG = "3f2b8a10-77aa-4c1e-9d2f-0a1b2c3d4e5f"
SESSION = "user_5f_account_77_session_a1b2c3d4"
QUESTION = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Is it late?"}]}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["password", "apiKey", "token", "organization", "value", "credentials", "logprobs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | NAMES, inner, max_size=3),
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
    data = [draw(st.binary(max_size=30) | TEXT.map(str.encode) | BODIES) for _ in times]
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


SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"api_key": "no-digit-in-it-at-all"}, "no-digit-in-it-at-all"),
        ({"api_key": "abcdefgh1234567"}, "abcdefgh1234567"),
        ({"apiKey": "qqjq"}, "qqjq"),  # however short
        ({"password": SECRET}, SECRET),
        ({"authorization": f"Basic {b64encode(b'bob:' + SECRET.encode()).decode()}"}, SECRET),
        ({"authorization": f"Basic {b64encode(b'bob:' + SECRET.encode()).decode()}"}, b64encode(b"bob:corr").decode()),
        ({"mcp_servers": [{"type": "url", "name": "x", "authorization_token": SECRET}]}, SECRET),
        ({"tools": [{"type": "mcp", "server_label": "x", "authorization": SECRET}]}, SECRET),
        ({"tools": [{"type": "mcp", "headers": {"Authorization": f"ApiKey {SECRET}", "X-Thing": "y"}}]}, SECRET),
        ({"tools": [{"type": "mcp", "headers": {"X-Session-Id": SECRET}}]}, SECRET),
        ({"secret": SECRET}, SECRET),
        ({"token": SECRET}, SECRET),
        ({"access_token": SECRET}, SECRET),
        ({"client_secret": SECRET}, SECRET),
        ({"client_secret": {"value": SECRET, "expires_at": 5}}, SECRET),
        ({"credential": SECRET}, SECRET),
        ({"credentials": SECRET}, SECRET),
        ({"credentials": ["other-one", SECRET]}, SECRET),
        ({"env": [{"name": "DB_PASSWORD", "value": SECRET}]}, SECRET),
        ({"env": {"GITHUB_TOKEN": SECRET, "refreshToken": 5}}, SECRET),
        ({"password": 'a "quoted" pass\\word\u00e9\n'}, "quoted"),
        ({"arguments": json.dumps({"password": SECRET})}, SECRET),
        ({"arguments": json.dumps({"a": json.dumps({"password": "qqjq"})})}, "qqjq"),
        ({"image": f"https://bob:{SECRET}@example.com/x"}, SECRET),
        ({"text": f"Look at (https://bob:{SECRET}@example.com), then go on"}, SECRET),
        ({"text": f"https://{SECRET}@example.com/x.git"}, SECRET),
        ({"text": f"/login?to=https%3A%2F%2Fbob%3A{SECRET}%40example.com"}, SECRET),
        *[
            ({"text": f"get https://example.com/x?a=1&{name}={SECRET}&b=2"}, SECRET)
            for name in (
                *("session", "access_key_id", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Security-Token"),
                *("sig", "signature", "credential", "AWSAccessKeyId", "token"),
            )
        ],
        ({"organization": "Initech Holdings"}, "Initech"),
        ({"organization": "Init"}, "Init"),
        ({"organization": {"name": "Initech Holdings"}}, "Initech"),
        ({"credentials": {"username": "bob", "pass": SECRET}}, SECRET),
        ({"tools": [{"organization_name": "Initech Holdings"}]}, "Initech"),
    ],
)
@pytest.mark.parametrize("side", ["question", "answer", "event", "part"])
def test_what_its_name_gives_away_in_a_body_reaches_no_line(fields: dict[str, Any], secret: str, side: str) -> None:
    body = json.dumps({"n": 1, **fields}, indent=1 if side == "answer" else None).encode()
    value = next(iter(fields.values()))
    echo = f"so it is {value}, I think" if isinstance(value, str) and len(value) >= LEAST_SECRET else "what?"
    said = json.dumps({"echo": echo}).encode()
    if side == "question":
        held = exchange({**QUESTION, **fields}, chunks=(Chunk(5, said),))
    elif side == "answer":
        held = exchange({**QUESTION, "system": echo}, chunks=(Chunk(5, body[:30]), Chunk(6, body[30:])))
    elif side == "event":
        stream = b"event: x\r\ndata: " + body + b"\r\n\r\ndata: " + said + b"\r\n\r\ndata: [DONE]\r\n\r\n"
        held = exchange({**QUESTION, "system": echo}, chunks=(Chunk(5, stream[:50]), Chunk(6, stream[50:])))
    else:
        # No JSON, since it breaks off; there the names of organisations are too little, and a list is no value.
        if (
            "value" in str(fields)
            or "organization" in str(fields)
            or not re.search(r": *\\*\"[^\"]*$", body.decode()[:-2])
        ):
            fields = {"password": secret}
        held = exchange(chunks=(Chunk(5, json.dumps({"n": 1, **fields}).encode()[:-1]),), cut=True)
    line = write_line(held)
    assert secret.encode() not in line
    assert b"REMOVED-" in line
    assert b64encode(SECRET.encode())[:-4] not in line
    (read,) = read_recording([line], "x.jsonl")
    assert write_line(read) == line
    if side == "answer":
        json.loads(b"".join([chunk.data for chunk in read.chunks]))


@pytest.mark.parametrize(
    "said",
    [
        {"max_tokens": 5, "usage": {"input_tokens": 7, "output_tokens": 8}, "stop_sequence": "END_OF_IT"},
        {"logprobs": {"content": [{"token": " tomorrow", "logprob": -0.1, "bytes": [1], "top_logprobs": []}]}},
        {"logprobs": [{"token": " tomorrow", "top_logprobs": [{"token": " yesterday"}]}]},
        {"logprobs": {"tokens": [" tomorrow", " yesterday"], "token_logprobs": [-1.5, -2]}},
        {"tools": [{"input_schema": {"properties": {"password": {"type": "string"}}, "required": ["password"]}}]},
        {"dependentRequired": {"password": ["username"], "token": ["username"]}},
        {"token": 12345678, "secret": None, "password": True, "credentials": {}, "api_key": ""},
        {"eos_token": "<|endoftext|>", "next_page_token": "cGFnZS0y", "token_type": "computation"},
        {"prompt_cache_key": "conversation-1", "key": "region", "value": "north-west"},
        {"text": "Set password = settings.default_password, or see https://example.com/@bob?page=2&max_tokens=5#x"},
        {"text": "Mail bob@example.com, or read http://example.com/a?q=1."},
        {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYIBxgCKkBabcdefgh"},
    ],
)
def test_what_is_no_secret_is_kept_though_its_name_sounds_like_one(said: dict[str, Any]) -> None:
    body = json.dumps(said).encode()
    held = redacted(exchange({**QUESTION, **said}, chunks=(Chunk(5, body),)))
    assert json.loads(held.body) == {**QUESTION, **said}
    assert held.chunks == (Chunk(5, body),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", f"ApiKey {SECRET}"),
        ("authorization", f"Key {SECRET}"),
        ("authorization", f'Digest username="bob", realm="x", response="{SECRET}"'),
        ("authorization", f"AWS4-HMAC-SHA256 Credential=abc/x, SignedHeaders=host, Signature={SECRET}"),
        ("x-session-id", SECRET),
        ("X-Claude-Code-Session-Id", SECRET),
    ],
)
@pytest.mark.parametrize("echo", ["it is {}.", '{{"detail": "wrong key \'{}\'"}}', 'data: {{"text": "{}"}}\n\n'])
def test_what_a_header_carries_reaches_no_line_without_its_scheme(name: str, value: str, echo: str) -> None:
    chunk = Chunk(5, echo.format(SECRET).encode())
    question = {**QUESTION, "system": f"I am {SECRET}"}
    line = write_line(exchange(question, request_headers=((name, value),), chunks=(chunk,)))
    assert SECRET.encode() not in line
    assert line.count(b"REMOVED-") == 2


@pytest.mark.parametrize(
    "name", ["session", "access_key_id", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Security-Token", "sig", "key"]
)
def test_what_the_query_carries_reaches_no_line(name: str) -> None:
    chunk = Chunk(5, f"it is {SECRET}.".encode())
    line = write_line(exchange(path=f"/v1/x?beta=true&{name}={SECRET}", chunks=(chunk,)))
    assert SECRET.encode() not in line
    assert json.loads(line)["path"] == f"/v1/x?beta=true&{name}={CREDENTIAL}"


@pytest.mark.parametrize("name", ["password", "api_key", "token", "access_token", "authorization", "client_secret"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_its_name_gives_away_is_removed_where_a_model_says_it_in_pieces(name: str, size: int) -> None:
    said = json.dumps({name: SECRET})
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    chunks = [Chunk(5, b"data: " + json.dumps({"delta": {"partial_json": one}}).encode() + b"\n\n") for one in pieces]
    (read,) = read_recording([write_line(exchange(chunks=tuple(chunks)))], "x.jsonl")
    events = [json.loads(chunk.data[6:]) for chunk in read.chunks]
    assert json.loads("".join([event["delta"]["partial_json"] for event in events])) == {name: CREDENTIAL}


@pytest.mark.parametrize("url", ["https://bob:{}@example.com/", "https://example.com/?sig={}", "/x?a=b&token={}#c"])
def test_what_a_url_in_the_question_carries_is_removed_where_it_is_echoed(url: str) -> None:
    line = write_line(
        exchange({**QUESTION, "system": url.format(SECRET)}, chunks=(Chunk(5, f"no {SECRET}!".encode()),))
    )
    assert SECRET.encode() not in line


def test_what_a_form_carries_reaches_no_line() -> None:
    body = f"client_secret={SECRET}&token=another-one&grant_type=refresh".encode()
    line = write_line(exchange(body, chunks=(Chunk(5, f"{SECRET}, another-one".encode()),)))
    assert SECRET.encode() not in line
    assert b"another-one" not in line
    assert b"&grant_type=refresh" in line


def test_the_same_is_asked_with_another_secret_in_the_body() -> None:
    def question(secret: str) -> str:
        return ask({**QUESTION, "mcp_servers": [{"authorization_token": secret}], "system": f"I am {secret}"})

    assert question("the-first-of-them") == question("and/another+one")


@pytest.mark.parametrize(
    "text",
    [
        '"password": "' * 20_000,
        '"password": "' + "\\" * 200_000,
        "https://a:" * 20_000,
        "://" + "a" * 200_000,
        "?session=" * 20_000,
        "&" * 200_000,
        "%3A%2F%2F" * 20_000,
    ],
)
def test_no_text_takes_longer_than_its_length(text: str) -> None:
    # Would take minutes if it were looked at from every place on.
    assert write_line(exchange(chunks=(Chunk(5, text.encode()),)))
    assert write_line(exchange({"text": text, "password": "ab" * 100_000 + "c"}, chunks=(Chunk(5, b"ab" * 100_000),)))


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
