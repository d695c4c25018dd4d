"""What credentials and the ids of organisations look like, and where a text holds one, whoever it belongs to.

A form errs on the side of finding: a word that looks like a key is a smaller loss than a key that does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mockllm.core.secret_names import is_secret_parameter

__all__ = ["CREDENTIAL", "ORGANIZATION", "Found", "parameters_in", "secrets_in", "tokens_in", "userinfo_in"]

CREDENTIAL = "REMOVED-CREDENTIAL"
ORGANIZATION = "REMOVED-ORGANIZATION"


class Found(NamedTuple):
    """A part of a text that must not be kept, and what stands in its place."""

    start: int
    end: int
    placeholder: str


# A key does not begin in the middle of a word; an escape that stands before it is none.
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
_ASSIGNED = r"[\"'\\]{0,4}\s{0,4}[:=]\s{0,4}[\"'\\]{0,4}"
_SPACE = r"[ \t\r\n]{0,8}"
_ID = "(?i:[ _-]?(?:uu)?id)?"
_UUID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"


class _Form(NamedTuple):
    """What a kind of secret looks like: `lead` matches where `needle` stands, and `run` what follows it.

    It is one where the run is no shorter than `least` and `holds` is found in it. Where the lead is a name, it is kept.
    A run is looked at once, so that no text takes longer than its length.
    """

    needle: str
    lead: re.Pattern[str]
    run: re.Pattern[str]
    least: int
    holds: re.Pattern[str]
    named: bool
    placeholder: str


def _key(prefix: str, run: str, least: int, holds: str = "", placeholder: str = CREDENTIAL) -> _Form:
    lead, held = re.compile(_START + prefix), re.compile(f"{run}*", re.ASCII)
    return _Form(prefix.lower(), lead, held, least, re.compile(holds), False, placeholder)


def _value(name: str, between: str, run: str, least: int, holds: str = "", placeholder: str = CREDENTIAL) -> _Form:
    lead, held = re.compile(f"(?i:{name}){between}"), re.compile(run, re.ASCII)
    return _Form(name, lead, held, least, re.compile(holds), True, placeholder)


_NAMES = [
    f"{kind}{mark}{thing}"
    for kind in ("api", "access", "secret", "auth", "private")
    for mark in ("", "_", "-")
    for thing in ("key", "token")
] + ["client_secret", "clientsecret", "password"]
# In JSON, also where it breaks off or a model says it, a name in quotes tells by itself that a string is a secret. Not
# `token` alone, which is a piece of text as well; whole JSON shows which (`mockllm.core.carried`).
_TEXT = "".join([f"(?<!{kind}_token)" for kind in ("bos", "eos", "pad", "unk", "stop", "next", "page")])
_QUOTED = rf"{_TEXT}\\*\"{_SPACE}:{_SPACE}\\*\""
_STRING = r"[^\"\\\n]*(?:\\+[^\"\\\n][^\"\\\n]*)*"
_QUOTED_NAMES = sorted(
    {name for name in _NAMES if not name.endswith("token")}
    | {"token_value", "_token", "-token", "accesstoken", "authtoken", "refreshtoken", "sessiontoken", "idtoken"}
    | {"secret", "passwd", "passphrase", "authorization", "credential", "credentials", "_pwd"}
)
_FORMS = (
    _key("sk-", r"[\w*-]", 16),  # asterisks where an error message hides a part of it
    _key("eyJ", r"[\w.-]", 17, r"\."),  # JSON web tokens
    _key("AKIA", "[A-Z0-9]", 16),
    _key("ASIA", "[A-Z0-9]", 16),
    _key("AIza", r"[\w-]", 30),
    _key("ya29.", r"[\w.-]", 16),
    *[_key(f"gh{kind}_", r"\w", 20) for kind in "pousr"],
    _key("github_pat_", r"\w", 20),
    *[_key(f"xox{kind}-", r"[\w-]", 10) for kind in "abeprs"],
    _key("hf_", r"\w", 20),
    _value("bearer", r"(?:\s|%20|\+){1,4}", r"[\w.~+/=-]*", 12),
    # Of what only its name tells, the value holds a digit: `password = settings.password` is code.
    *[_value(name, _ASSIGNED, r"[\w.~+/=-]*", 16, r"\d") for name in _NAMES],
    *[_value(name, _QUOTED, _STRING, 1) for name in _QUOTED_NAMES],
    _key("org-", "[A-Za-z0-9]", 12, "", ORGANIZATION),
    _key("proj_", "[A-Za-z0-9]", 12, "", ORGANIZATION),
    _key("wrkspc_", "[A-Za-z0-9]", 12, "", ORGANIZATION),
    *[
        _value(name, rf"[A-Za-z]{{0,12}}{_ID}[^A-Za-z0-9\n]{{1,6}}(?={_UUID})", _UUID, 36, "", ORGANIZATION)
        for name in ("org", "workspace", "project", "account")
    ],
)


_TOKEN = _value("token", _QUOTED.replace(_TEXT, r"(?<=[\"\\]token)"), _STRING, 1)
# The name and password in a URL, as it is, as JSON may escape it, and as a part of another URL.
_USERINFO = re.compile(
    r"(?<=://)[^\s/?#\"'<>\\]+(?=@)|(?<=:\\/\\/)[^\s/?#\"'<>\\]+(?=@)"
    r"|(?<=%3[Aa]%2[Ff]%2[Ff])(?:[^\s/?#\"'<>\\&%]|%(?!40|2[Ff]|3[Ff]|23))+(?=%40)"
)
_IN_QUERY = re.compile(r"(?:[?&](?:amp;)?|\\u0026|%26|%3[Ff])([A-Za-z0-9_.-]{1,64})(?:=|%3[Dd])([^\s&#\"'<>\\]+)")


def secrets_in(text: str) -> Iterator[Found]:
    """Whatever in `text`, of one character a byte, has the form of a secret."""
    low = text.lower()
    for form in _FORMS:
        yield from _formed(form, text, low)
    for start, end in userinfo_in(text):
        yield Found(start, end, CREDENTIAL)
    for start, end in parameters_in(text):
        yield Found(start, end, CREDENTIAL)


def tokens_in(text: str) -> Iterator[Found]:
    """The strings under `token` in what has the form of JSON, where that is no piece of text."""
    yield from _formed(_TOKEN, text, text.lower())


def parameters_in(text: str) -> Iterator[tuple[int, int]]:
    """The places in `text` of the values of parameters of URLs that are credentials."""
    for match in _IN_QUERY.finditer(text):
        if is_secret_parameter(match[1]):
            yield match.span(2)


def userinfo_in(text: str) -> Iterator[tuple[int, int]]:
    """The places in `text` of what stands before the host in URLs: a name, and a password."""
    if "@" in text or "%40" in text:
        for match in _USERINFO.finditer(text):
            yield match.span()


def _formed(form: _Form, text: str, low: str) -> Iterator[Found]:
    """The places in `text`, which is `low` in lower case, that have the form."""
    at = low.find(form.needle)
    while at >= 0:
        after = at + 1
        lead = form.lead.match(text, at)
        run = form.run.match(text, lead.end()) if lead is not None else None
        if run is not None:
            start, end = run.span()
            after = max(after, end)
            if end - start >= form.least and form.holds.search(text, start, end):
                yield Found(start if form.named else at, end, form.placeholder)
        at = low.find(form.needle, after)
