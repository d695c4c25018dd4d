"""What an exchange carries: by the names of its headers, of its parameters and of the fields of its JSON."""

from __future__ import annotations

import json
from base64 import b64encode

from mockllm.core.carried import USER, Carried, carried_by_body, carried_by_headers, carried_by_query, named_in
from mockllm.core.redaction import Redaction
from mockllm.core.secret_forms import CREDENTIAL, ORGANIZATION

KEY = "sk-ant-api03-Zx8_QwErTy-0123456789abcdefAA"
NOTHING = Redaction([])
UUID = "3f2b8a10-77aa-4c1e-9d2f-0a1b2c3d4e5f"


def test_headers_carry_credentials_and_organisations() -> None:
    basic = b64encode(b"user:open-sesame").decode()
    carried = carried_by_headers(
        [
            ("Authorization", f"Bearer {KEY}"),
            ("X-Api-Key", "key-1"),
            ("Proxy-Authorization", f"Basic {basic}"),
            ("Cookie", 'a=one; b="two"'),
            ("Set-Cookie", "c=three; Path=/; HttpOnly"),
            ("x-goog-api-key", "google"),
            ("Anthropic-Organization-Id", UUID),
            ("OpenAI-Project", "proj_1"),
            ("anthropic-workspace-id", "wrkspc_1"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-24T12:00:00Z"),
            ("content-type", "application/json"),
        ]
    )
    credentials = {held.value for held in carried if held.placeholder == CREDENTIAL}
    assert credentials == {KEY, "key-1", basic, "user:open-sesame", "open-sesame", "one", "two", "three", "google"}
    assert {held.value for held in carried if held.placeholder == ORGANIZATION} == {UUID, "proj_1", "wrkspc_1"}


def test_a_query_carries_credentials_and_keeps_its_other_parameters() -> None:
    query = "beta=true&api_key=abc&key=d%2Fef&Access_Token=1&monkey=x"
    assert [held.value for held in carried_by_query(query)] == ["abc", "d/ef", "1"]
    kept = NOTHING.query(query)
    assert kept == f"beta=true&api_key={CREDENTIAL}&key={CREDENTIAL}&Access_Token={CREDENTIAL}&monkey=x"
    assert NOTHING.query("beta=true&x") == "beta=true&x"


def test_headers_carry_a_secret_without_its_scheme_and_the_session() -> None:
    assert carried_by_headers({"authorization": "ApiKey one"})[-1] == Carried("one", CREDENTIAL)
    assert carried_by_headers({"x-api-key": "no/form of a key"}) == [Carried("no/form of a key", CREDENTIAL)]
    assert carried_by_headers({"X-Claude-Code-Session-Id": " a-b "}) == [Carried("a-b", USER)]
    assert carried_by_headers({"user-agent": "x", "x-request-id": "y", "x-ratelimit-session": "z"}) == []


def test_places_are_found_in_json_that_strings_hold_and_can_be_written_to() -> None:
    plain = {"a": [{"password": "x"}], "b": json.dumps([{"org_id": "y"}]), "secrets": ["z", 5]}
    found = list(named_in(plain))
    assert {(named.name, named.value, named.placeholder) for named in found} == {
        ("password", "x", CREDENTIAL),
        ("org_id", "y", ORGANIZATION),
        ("", "z", CREDENTIAL),
    }
    for named in found:
        named.held[named.place] = named.placeholder
    assert plain == {"a": [{"password": CREDENTIAL}], "b": '[{"org_id": "y"}]', "secrets": [CREDENTIAL, 5]}


def test_json_deeper_than_python_goes_is_walked() -> None:
    body = b"[" * 900 + b'{"secret": "x"}' + b"]" * 900
    assert {held.value for held in carried_by_body(body)} == {"x"}


def test_of_keys_that_come_twice_both_are_carried() -> None:
    assert {held.value for held in carried_by_body(b'{"token": "x", "token": "y"}')} == {"x", "y"}


def test_the_password_of_a_url_is_carried_as_it_is_and_as_it_is_written() -> None:
    assert [held.value for held in carried_by_body(b'["see https://bob:a%2Fb@x/."]')] == ["a%2Fb", "a/b"]
