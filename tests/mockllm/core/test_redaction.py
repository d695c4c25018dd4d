"""Redaction: nothing secret is left in a text, however it was cut, escaped or hidden."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.carried import USER, Carried
from mockllm.core.redaction import LEAST_SECRET, Redaction
from mockllm.core.secret_forms import CREDENTIAL, ORGANIZATION

KEY = "sk-ant-api03-Zx8_QwErTy-0123456789abcdefAA"
NOTHING = Redaction([])
UUID = "3f2b8a10-77aa-4c1e-9d2f-0a1b2c3d4e5f"
SECRETS = st.text("abcXYZ0189-_+/=", min_size=LEAST_SECRET, max_size=40)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def sse(*pieces: str, name: str = "text") -> list[bytes]:
    """A stream whose deltas say `pieces`, a chunk each, with a ping in between."""
    events = []
    for piece in pieces:
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": f"{name}_delta", name: piece}}
        events.append(f"event: content_block_delta\ndata: {json.dumps(delta, separators=(',', ':'))}\n\n".encode())
        events.append(b'event: ping\ndata: {"type": "ping"}\n\n')
    return events


def spoken(chunks: list[bytes], name: str = "text") -> str:
    lines = b"".join(chunks).decode().splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    return "".join([event["delta"][name] for event in events if "delta" in event])


def split(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


# What has the form of a secret


@given(st.lists(st.integers(0, 200), max_size=6), ANY, ANY)
def test_a_key_is_found_over_any_boundaries_of_chunks(cuts: list[int], before: str, after: str) -> None:
    text = f"{before} {KEY} {after}".encode()
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    chunks = [text[start:end] for start, end in pairwise(places)]
    kept = NOTHING.chunks(chunks)
    assert len(kept) == len(chunks)
    assert b"".join(kept) == NOTHING.text(text.decode()).encode()
    assert KEY.encode() not in b"".join(kept)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8), st.sampled_from(["text", "partial_json", "thinking"]))
def test_a_key_that_a_model_says_in_pieces_is_found_and_its_events_stay_whole(cuts: list[int], name: str) -> None:
    chunks = sse(*split(f"the key is {KEY}, is it not?", cuts), name=name)
    kept = NOTHING.chunks(chunks)
    assert spoken(kept, name) == f"the key is {CREDENTIAL}, is it not?"
    assert len(kept) == len(chunks)


# What an exchange carried


@given(SECRETS, ANY, ANY)
def test_what_was_carried_is_removed_wherever_it_occurs(secret: str, before: str, after: str) -> None:
    text = Redaction([Carried(secret, CREDENTIAL)]).text(f"{before}{secret}{after}{secret}")
    assert secret not in text.replace(CREDENTIAL, "\n")


@given(st.text("abc019-_", min_size=LEAST_SECRET, max_size=40), st.lists(st.integers(0, 100), max_size=6))
def test_what_was_carried_is_removed_from_what_a_model_says_in_pieces(secret: str, cuts: list[int]) -> None:
    redaction = Redaction([Carried(secret, USER)])
    assert spoken(redaction.chunks(sse(*split(f"<{secret}>", cuts)))) == f"<{USER}>"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=LEAST_SECRET, max_size=30))
def test_what_was_carried_is_removed_as_json_and_urls_write_it(secret: str) -> None:
    redaction = Redaction([Carried(secret, CREDENTIAL)])
    for written in (
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        json.dumps(json.dumps(secret)),
        json.dumps(secret).replace("/", "\\/"),
        f'"{quote(secret, safe="")}"',
    ):
        assert redaction.text(written).strip('"\\') == CREDENTIAL


def test_what_was_carried_may_be_as_long_as_a_body() -> None:
    secret = 'a é/"\\\n' * 50_000
    redaction = Redaction([Carried(secret, CREDENTIAL)])
    for written in (
        secret,
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        json.dumps(json.dumps(secret)),
        json.dumps(secret).replace("/", "\\/"),
        quote(secret, safe=""),
        b64encode(secret.encode()).decode(),
    ):
        assert CREDENTIAL in redaction.text(f"<{written}>")
        assert len(redaction.text(f"<{written}>")) < 30
    assert redaction.text(f"It is {secret[:99_999]}") == f"It is {CREDENTIAL}"


@pytest.mark.parametrize("name", ["", "pin_code"])
def test_a_short_value_is_removed_under_its_name_alone(name: str) -> None:
    redaction = Redaction([Carried("word", CREDENTIAL, name), Carried("other", CREDENTIAL, name)])
    text = '{"pin_code": "word", "a": "{\\"pin_code\\":\\"other\\"}", "b": "word", "pin_code": "words"}'
    kept = text if not name else text.replace('code": "word"', f'code": "{CREDENTIAL}"').replace("other", CREDENTIAL)
    assert redaction.text(text) == kept


@given(st.binary(max_size=5), st.text("abcXYZ01-_+/=", min_size=12, max_size=40), st.binary(max_size=5))
def test_what_was_carried_is_removed_in_base64(before: bytes, secret: str, after: bytes) -> None:
    redaction = Redaction([Carried(secret, CREDENTIAL)])
    for encode in (b64encode, urlsafe_b64encode):
        assert CREDENTIAL in redaction.text(encode(before + secret.encode() + after).decode())


@pytest.mark.parametrize("length", range(LEAST_SECRET, 23))
def test_the_beginning_of_what_was_carried_is_removed_where_an_answer_breaks_off(length: int) -> None:
    secret = "abcd-efgh-ijkl-mnop-qrst"
    redaction = Redaction([Carried(secret, CREDENTIAL)])
    assert redaction.text(f"It is {secret[:length]}") == f"It is {CREDENTIAL}"
    assert spoken(redaction.chunks(sse("It is abc", secret[3:length]))) == f"It is {CREDENTIAL}"


def test_a_short_value_takes_no_words_with_it() -> None:
    assert Redaction([Carried("key", CREDENTIAL)]).text('{"key": "monkey"}') == '{"key": "monkey"}'


def test_of_values_that_hold_one_another_the_longest_is_taken() -> None:
    redaction = Redaction([Carried("abcdefgh", USER), Carried("abcdefgh-ijkl", ORGANIZATION)])
    assert redaction.text("abcdefgh-ijkl abcdefgh") == f"{ORGANIZATION} {USER}"
