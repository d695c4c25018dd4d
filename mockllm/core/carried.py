"""What an exchange itself carries that must not be kept: in its headers, in its URL and in the JSON of its bodies.

A value counts as carried by the name it stands under (`mockllm.core.secret_names`), whatever it looks like, and so does
the password in a URL. It is then removed wherever it occurs; where it is so short that it would take ordinary words
with it, only under that name.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from mockllm.core.secret_forms import CREDENTIAL, ORGANIZATION, parameters_in, tokens_in, userinfo_in
from mockllm.core.secret_names import (
    is_identifying_header,
    is_list_of_secrets,
    is_organization_field,
    is_organization_header,
    is_secret_field,
    is_secret_header,
    is_secret_parameter,
    is_token,
)

__all__ = [
    "USER",
    "Carried",
    "Named",
    "carried_by_body",
    "carried_by_headers",
    "carried_by_json",
    "carried_by_query",
    "named_in",
]

USER = "REMOVED-USER"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SCHEMES = {"basic", "bearer", "token"}
# The parts of a `Digest` or of a signature that are as good as the credential, or say whose it is.
_PART = re.compile(
    r"\b(?:response|nonce|cnonce|opaque|user(?:name)?|credential|signature|token|key|secret|password)="
    r'(?:"([^"]*)"|([^\s,"]+))',
    re.IGNORECASE,
)
_EVENT = re.compile(rb"^(?:data:)?[ \t]*([{\[].*)$", re.MULTILINE)
_FORM = re.compile(r"[^\s={}\"]{1,100}=[^\s{}\"]*")
_LOGPROBS = ("logprobs", "top_logprobs")


class Carried(NamedTuple):
    """A value that an exchange carried, and what stands in its place; `name` is the field of JSON that it was under."""

    value: str
    placeholder: str
    name: str = ""


class Named(NamedTuple):
    """A place in JSON whose name says that it must not be kept: the object or list, its key there, the value."""

    held: Any
    place: Any
    name: str
    value: str
    placeholder: str


def carried_by_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[Carried]:
    """The credentials, organisations and sessions in `headers`, of a request or of an answer."""
    found: list[Carried] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        if is_organization_header(name):
            found.append(Carried(value.strip(), ORGANIZATION))
        elif is_secret_header(name):
            found += [Carried(secret, CREDENTIAL) for secret in _secrets(name.lower(), value.strip())]
        elif is_identifying_header(name):
            found.append(Carried(value.strip(), USER))
    return found


def _secrets(name: str, value: str) -> list[str]:
    """The credentials in a header's value: without its scheme, and each cookie's by itself."""
    if "cookie" in name:
        pairs = value.split(";")[:1] if name == "set-cookie" else value.split(";")
        return [pair.partition("=")[2].strip().strip('"') for pair in pairs]
    scheme, _, token = value.partition(" ")
    token = token.strip()
    if not token or not _SCHEME.fullmatch(scheme):
        return [value]
    # A word that is no known scheme may be the first of a secret.
    found = [token] if scheme.lower() in _SCHEMES else [value, token]
    if scheme.lower() == "basic":
        try:
            plain = b64decode(token, validate=True).decode("utf-8")
        except ValueError:
            return found
        return [*found, plain, plain.partition(":")[2]]
    return [*found, *[quoted or bare for quoted, bare in _PART.findall(token)]]


def carried_by_query(query: str) -> list[Carried]:
    """The credentials in the query of a URL."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return [Carried(value, CREDENTIAL) for name, value in pairs if is_secret_parameter(name)]


def carried_by_json(plain: Any) -> list[Carried]:
    """What the JSON of a body carries: under names that say so, and as passwords and parameters of URLs."""
    found: list[Carried] = []
    for text in _texts(plain):
        for start, end in userinfo_in(text):
            found += [Carried(secret, CREDENTIAL) for secret in _passwords(text[start:end])]
        for start, end in parameters_in(text):
            found += [Carried(secret, CREDENTIAL) for secret in (text[start:end], unquote(text[start:end]))]
    for named in named_in(plain):
        found.append(Carried(named.value, named.placeholder, named.name))
        if named.placeholder == CREDENTIAL:
            found += [Carried(secret, CREDENTIAL) for secret in _secrets(named.name.lower(), named.value.strip())]
    return found


def _passwords(userinfo: str) -> list[str]:
    secret = userinfo.partition(":")[2] or userinfo
    return [secret, unquote(secret)]


def carried_by_body(body: bytes) -> list[Carried]:
    """What a body carries, be it one piece of JSON, a stream of events or lines, a form, or JSON that breaks off."""
    text = body.decode("utf-8", "replace")
    found: list[Carried] = []
    if '"logprob' not in text:
        # In whole JSON as well: of keys that come twice, it is the last that is parsed.
        found += [Carried(text[start:end], CREDENTIAL, "token") for start, end, _ in tokens_in(text)]
    whole = _parsed(body)
    if whole is not None:
        return [*found, *carried_by_json(whole)]
    found += [held for event in _EVENT.finditer(body) for held in carried_by_json(_parsed(event[1]))]
    if _FORM.fullmatch(text):
        found += carried_by_query(text)
    return found


def named_in(plain: Any) -> Iterator[Named]:
    """Each place in JSON that is named as what must not be kept, in JSON that its strings hold too."""
    for name, held, is_text in _objects(plain):
        for place, value in list(held.items()):
            if isinstance(value, list) and is_list_of_secrets(place):
                for at, item in enumerate(value):
                    if isinstance(item, str) and item:
                        yield Named(value, at, "", item, CREDENTIAL)
            elif isinstance(value, str) and value:
                placeholder = _placeholder(name, held, place, is_text)
                if placeholder:
                    yield Named(held, place, place, value, placeholder)


def _placeholder(name: str, held: dict[str, Any], place: str, is_text: bool) -> str:
    """What stands for the string at `place` of an object under `name`; nothing where it may be kept."""
    if is_secret_field(place):
        # OpenAI calls the pieces of text so to which it gives probabilities.
        return "" if is_token(place) and (is_text or "logprob" in held) else CREDENTIAL
    if is_organization_field(place):
        return ORGANIZATION
    if name.lower().endswith("headers"):
        for carried in carried_by_headers([(place, "x")]):
            return carried.placeholder
    if place in ("id", "uuid", "name") and is_organization_field(name):
        return ORGANIZATION
    if place in ("value", "pass"):
        # `{"client_secret": {"value": …}}`, and `{"name": "API_KEY", "value": …}` as environments are written.
        called = [name, *[held[key] for key in ("name", "key") if isinstance(held.get(key), str)]]
        return CREDENTIAL if any(map(is_secret_field, called)) else ""
    return ""


def _objects(plain: Any) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Each object with the name it stands under, and whether it lies among the probabilities of tokens."""
    # Without recursion, since what a parser in C takes may be deeper than Python goes.
    waiting: list[tuple[str, Any, bool]] = [("", plain, False)]
    while waiting:
        name, held, is_text = waiting.pop()
        if isinstance(held, str):
            held = _held(held)
        if isinstance(held, list):
            waiting += [(name, item, is_text) for item in held]
        elif isinstance(held, dict):
            yield name, held, is_text
            waiting += [(key, item, is_text or key in _LOGPROBS) for key, item in held.items()]


def _texts(plain: Any) -> Iterator[str]:
    waiting = [plain]
    while waiting:
        held = waiting.pop()
        if isinstance(held, str):
            yield held
        elif isinstance(held, list):
            waiting += held
        elif isinstance(held, dict):
            waiting += held.values()


def _held(text: str) -> Any:
    """The JSON that a string holds, such as the arguments of a call."""
    return _parsed(text) if text.lstrip()[:1] in ("{", "[") else None


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
