"""What must not reach the disk: credentials, and which organisation, project or user it was.

Two rules find them. What an exchange itself carries (`mockllm.core.carried`: in headers, in parameters and in fields of
JSON that name a secret or an organisation, and as the user's id) goes wherever it occurs; and so does whatever has the
form of a key, a token or an organisation's id (`mockllm.core.secret_forms`), whoever it belongs to. Both see through
the boundaries of chunks and of server-sent events, since a model may say half a key in one delta and half in the next.
What is carried is also known as JSON escapes it, percent-encoded, in base64, and by its beginning where the answer
breaks off in its middle.

What is found becomes `REMOVED-CREDENTIAL`, `REMOVED-ORGANIZATION` or `REMOVED-USER`, the same for every value, and the
same in JSON, in a header and in a URL.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import parse_qsl, quote_from_bytes, urlencode

from mockllm.core.carried import USER, Carried
from mockllm.core.secret_forms import CREDENTIAL, ORGANIZATION, Found, secrets_in, tokens_in
from mockllm.core.secret_names import is_secret_parameter

__all__ = ["LEAST_SECRET", "Redaction"]

LEAST_SECRET = 8
"""Characters; a shorter value is no real credential, and would take ordinary words with it."""

_LEAST_BASE64 = 12
_LONG = 8192  # characters
_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_PLACEHOLDERS = (CREDENTIAL, ORGANIZATION, USER)

# The strings of a stream in which a model speaks, one delta after the other.
_DELTA = re.compile(
    r'"(?:text|partial_json|thinking|content|arguments|delta|refusal)": ?"([^"\\\n]*(?:\\.[^"\\\n]*)*)"'
)


class Redaction:
    """Takes out of the texts of one exchange what it carried, and what has the form of a credential."""

    __slots__ = ("_short", "_values", "_written")

    def __init__(self, carried: Iterable[Carried]) -> None:
        held_values = {held for held in carried if held.value and held.value not in _PLACEHOLDERS}
        known = sorted(
            {held._replace(name="") for held in held_values if len(held.value) >= LEAST_SECRET}, key=_longest_first
        )
        self._short = _under_names([held for held in held_values if held.name and len(held.value) < LEAST_SECRET])
        self._values = [(held.value, held.placeholder) for held in known]
        self._written = [(written, held.placeholder) for held in known for written in _written(held.value)]

    def text(self, text: str) -> str:
        """`text` without any of it."""
        return self.chunks([text.encode("utf-8", "surrogatepass")])[0].decode("utf-8", "surrogatepass")

    def query(self, query: str) -> str:
        """The query of a URL without the values of the parameters that are credentials, and without the rest of it."""
        if not any(is_secret_parameter(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
            return self.text(query)
        pairs = [
            (name, CREDENTIAL if is_secret_parameter(name) else value)
            for name, value in parse_qsl(query, keep_blank_values=True)
        ]
        return self.text(urlencode(pairs))

    def chunks(self, chunks: Sequence[bytes]) -> list[bytes]:
        """The chunks of one body, as many as there were. What lies over a boundary is named where it begins."""
        # One character a byte, so that places are the same in both and a chunk may end inside a character.
        whole = b"".join(chunks).decode("latin-1")
        edits = _disjoint([*self._found(whole), *self._found_spoken(whole)])
        if not edits:
            return list(chunks)
        ends = list(accumulate(map(len, chunks)))
        return [
            _edited(whole, edits, start, end).encode("latin-1")
            for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]

    def _found(self, text: str) -> Iterator[Found]:
        for written, placeholder in self._written:
            if written.needle in text:
                for match in re.finditer(written.pattern, text):
                    yield Found(*match.span(), placeholder)
        for pattern, placeholder in self._short:
            for match in pattern.finditer(text):
                yield Found(*match.span(1), placeholder)
        yield from secrets_in(text)
        for value, placeholder in self._values:
            length = _begun(value.encode("utf-8", "surrogatepass").decode("latin-1"), text)
            if length >= LEAST_SECRET:
                yield Found(len(text) - length, len(text), placeholder)

    def _found_spoken(self, text: str) -> Iterator[Found]:
        """The same in what a stream's deltas say together, at the places where they say it."""
        deltas = [match.span(1) for match in _DELTA.finditer(text)]
        spoken = "".join([text[start:end] for start, end in deltas])
        begins = [0, *accumulate([end - start for start, end in deltas])]
        for found in (*self._found(spoken), *tokens_in(spoken)):
            place, placeholder = bisect_right(begins, found.start) - 1, found.placeholder
            while place < len(deltas) and begins[place] < found.end:
                shift = deltas[place][0] - begins[place]
                start, end = max(found.start, begins[place]), min(found.end, begins[place + 1])
                if start < end:
                    yield Found(start + shift, end + shift, placeholder)
                    placeholder = ""  # named once, where it begins
                place += 1


def _longest_first(held: Carried) -> tuple[int, Carried]:
    return -len(held.value), held


def _begun(value: str, text: str) -> int:
    """How much of the beginning of `value` is the end of `text`, which may break off in the middle of it."""
    end = text[-(len(value) - 1) :]
    if value[:LEAST_SECRET] not in end:
        return 0
    # By Knuth, Morris and Pratt: a value may be as long as a body.
    borders = [0]
    for character in value[1:]:
        borders.append(_longer(value, borders, borders[-1], character))
    length = 0
    for character in end:
        length = _longer(value, borders, length, character)
    return length


def _longer(value: str, borders: list[int], length: int, character: str) -> int:
    while length and value[length] != character:
        length = borders[length - 1]
    return length + (value[length] == character)


def _under_names(held: Iterable[Carried]) -> list[tuple[re.Pattern[str], str]]:
    """For each name the pattern of all its short values, so that a text is searched once a name."""
    values: dict[tuple[str, str], list[str]] = {}
    for value, placeholder, name in sorted(set(held)):
        values.setdefault((name, placeholder), []).append(_pattern(value))
    return [
        (re.compile(rf'"{_pattern(name)}\\*"\s{{0,8}}:\s{{0,8}}\\*"({"|".join(written)})(?=\\*")'), placeholder)
        for (name, placeholder), written in values.items()
    ]


class _Written(NamedTuple):
    """One way to write a value: a pattern, and a part of it that is there in every case."""

    pattern: str
    needle: str


def _written(value: str) -> list[_Written]:
    """All the ways in which `value` may be written."""
    raw = value.encode("utf-8", "surrogatepass")
    if len(value) <= _LONG:
        ways = [_Written(_pattern(value), _longest(r"[A-Za-z0-9._~-]+", value))]
    else:
        ways = [_Written(re.escape(one), one) for one in _long_ways(value, raw)]
    for shift in range(3) if len(raw) >= _LEAST_BASE64 else ():
        # What stands before and after it in the same encoding changes its first and its last digit.
        digits = b64encode(b"\0" * shift + raw).decode()
        inner = digits[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        pattern = re.escape(inner).replace(r"\+", "[+-]").replace("/", "[/_]")
        ways.append(_Written(pattern, _longest("[A-Za-z0-9]+", inner)))
    return ways


def _long_ways(value: str, raw: bytes) -> set[str]:
    """The ways to write a value that is too long for a pattern with a choice at each character."""
    ways = {raw.decode("latin-1"), quote_from_bytes(raw, safe="")}
    for is_ascii in (True, False):
        once = json.dumps(value, ensure_ascii=is_ascii)[1:-1].encode("utf-8", "surrogatepass").decode("latin-1")
        twice = json.dumps(once)[1:-1] if is_ascii else once.replace("\\", "\\\\").replace('"', '\\"')
        ways |= {once, once.replace("/", "\\/"), twice}
    return ways


def _pattern(value: str) -> str:
    return "".join([_atom(character) for character in value])


def _longest(run: str, text: str) -> str:
    return max(re.findall(run, text), key=len, default="")


def _atom(character: str) -> str:
    """One character as it is, as JSON's encoders escape it, and as a URL does."""
    if character.isascii() and (character.isalnum() or character in "-_.~"):
        return re.escape(character)
    raw = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = "".join([rf"\\+u(?i:{units[at : at + 2].hex()})" for at in range(0, len(units), 2)])
    if character in _ESCAPES:
        escaped += rf"|\\+{_ESCAPES[character]}"
    percent = "".join([f"%(?i:{byte:02x})" for byte in raw])
    return rf"(?:{percent}|{escaped}|\\*{re.escape(raw.decode('latin-1'))})"


def _disjoint(edits: list[Found]) -> list[Found]:
    """The edits in order; those that overlap are one."""
    joined: list[Found] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end, not edit.placeholder)):
        if joined and edit.start < joined[-1].end:
            last = joined[-1]
            joined[-1] = Found(last.start, max(last.end, edit.end), last.placeholder or edit.placeholder)
        else:
            joined.append(edit)
    return joined


def _edited(text: str, edits: list[Found], start: int, end: int) -> str:
    """`text` from `start` to `end` with the edits that lie in it."""
    parts = []
    at = start
    for edit in edits:
        if edit.end <= at:
            continue
        if edit.start >= end:
            break
        parts.append(text[at : max(at, edit.start)])
        if edit.start >= start:
            parts.append(edit.placeholder)
        at = min(edit.end, end)
    parts.append(text[at:end])
    return "".join(parts)
