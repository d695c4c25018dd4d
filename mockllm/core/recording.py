"""A recording: exchanges with an API as lines of JSON, each chunk of an answer with the moment at which it came.

What identifies anyone never gets as far as a line (`mockllm.core.redaction`); of headers only those are kept that say
something about the answer. Times are whole microseconds from the moment at which the request was passed on.

Two requests ask the same where their method, path, query and body agree. Of a body that is JSON neither the order of
keys counts nor what does not change the answer: cache markers, who the user is, and whether a text is written as a
string or as one text block. `stream` counts, since a stream is no answer to who did not ask for one.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from mockllm import MockLLMError
from mockllm.core.carried import (
    USER,
    Carried,
    carried_by_body,
    carried_by_headers,
    carried_by_query,
    named_in,
)
from mockllm.core.redaction import LEAST_SECRET, Redaction

__all__ = ["FORMAT", "Chunk", "Exchange", "RecordingError", "asked", "read_recording", "redacted", "write_line"]

FORMAT = "mockllm-recording/1"

_REQUEST_HEADERS = {"anthropic-beta", "anthropic-version", "content-type", "openai-beta"}
_ANSWER_HEADERS = {
    "anthropic-version",
    "cache-control",
    "content-type",
    "openai-processing-ms",
    "openai-version",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "x-should-retry",
}
_ANSWER_PREFIXES = ("anthropic-ratelimit-", "anthropic-priority-", "anthropic-fast-", "x-ratelimit-")
_USER_FIELDS = ("user", "safety_identifier")
_NOT_ASKED = {"cache_control", "metadata", "prompt_cache_key", "prompt_cache_retention", *_USER_FIELDS}


class RecordingError(MockLLMError):
    """A recording that cannot be read; the message names the file and the line, and says how to mend it."""


class Chunk(NamedTuple):
    """Bytes of an answer, `at_us` after the request was passed on."""

    at_us: int
    data: bytes


class Exchange(NamedTuple):
    """A request and its answer, whose headers came `headers_us` after the request was passed on.

    `path` holds the query; `cut` says that the answer broke off, by the fault of either side.
    """

    method: str
    path: str
    request_headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    headers_us: int
    chunks: tuple[Chunk, ...]
    end_us: int
    cut: bool = False
    asked: str = ""


def asked(method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> str:
    """What is asked, in 32 hexadecimal digits: equal for two requests of which one answer is the other's."""
    plain = _json(body)
    redaction = _redaction(path, headers, body, plain)
    return _digits(method, _redacted_path(path, redaction), _redacted_body(body, plain, redaction))


def redacted(exchange: Exchange) -> Exchange:
    """`exchange` as it may be written down, and with the digits of what it asks."""
    plain = _json(exchange.body)
    answered = carried_by_body(b"".join([chunk.data for chunk in exchange.chunks]))
    answered += carried_by_headers(exchange.headers)
    redaction = _redaction(exchange.path, exchange.request_headers, exchange.body, plain, answered)
    # Not with what the answer carried: whoever asks again could not know it.
    asking = _redaction(exchange.path, exchange.request_headers, exchange.body, plain)
    path, body = _redacted_path(exchange.path, asking), _redacted_body(exchange.body, plain, asking)
    data = redaction.chunks([chunk.data for chunk in exchange.chunks])
    return exchange._replace(
        path=redaction.text(path),
        request_headers=_kept(exchange.request_headers, redaction, _REQUEST_HEADERS),
        body=_redacted_body(body, _json(body), redaction),
        headers=_kept(exchange.headers, redaction, _ANSWER_HEADERS, _ANSWER_PREFIXES),
        chunks=tuple([Chunk(chunk.at_us, kept) for chunk, kept in zip(exchange.chunks, data, strict=True)]),
        asked=exchange.asked or _digits(exchange.method, path, body),
    )


def write_line(exchange: Exchange) -> bytes:
    """`exchange` as one line, without anything that `redacted` takes away."""
    held = redacted(exchange)
    line: dict[str, Any] = {
        "format": FORMAT,
        "method": held.method,
        "path": held.path,
        "asked": held.asked,
        "request": {"headers": dict(held.request_headers), **_written(held.body)},
        "status": held.status,
        "headers": dict(held.headers),
        "headers_us": held.headers_us,
        "chunks": [[chunk.at_us, _text(chunk.data)] for chunk in held.chunks],
        "end_us": held.end_us,
    }
    if held.cut:
        line["cut"] = True
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


def read_recording(lines: Iterable[bytes], where: str) -> list[Exchange]:
    """The exchanges in the lines of a file, which `where` names.

    Raises `RecordingError` for the first line that cannot be read, and where there is none.
    """
    exchanges = [_read_line(line, f"{where}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not exchanges:
        raise RecordingError(f"{where}: holds no exchange; record some with `mockllm record`")
    return exchanges


# What is asked


def _redaction(
    path: str, headers: Iterable[tuple[str, str]], body: bytes, plain: Any, answered: Iterable[Carried] = ()
) -> Redaction:
    users = [value for _, _, value in _users(plain)] if isinstance(plain, dict) else []
    carried = [Carried(value, USER) for value in users if len(value) >= LEAST_SECRET]
    query = carried_by_query(path.partition("?")[2])
    return Redaction([*carried_by_headers(headers), *query, *carried_by_body(body), *answered, *carried])


def _users(plain: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Each place in a body that says who the user is: the object, the name in it, the value."""
    metadata = plain.get("metadata")
    places = [(plain, name) for name in _USER_FIELDS]
    places += [(metadata, "user_id")] if isinstance(metadata, dict) else []
    for held, name in places:
        value = held.get(name)
        if isinstance(value, str):
            yield held, name, value


def _redacted_path(path: str, redaction: Redaction) -> str:
    plain, mark, query = path.partition("?")
    return f"{redaction.text(plain)}{mark}{redaction.query(query)}"


def _redacted_body(body: bytes, plain: Any, redaction: Redaction) -> bytes:
    if plain is None:
        return redaction.chunks([body])[0]
    if isinstance(plain, dict):
        for held, name, _ in _users(plain):
            held[name] = USER
    for named in named_in(plain):
        named.held[named.place] = named.placeholder
    # Written anew first, so that no escape of the client's own hides anything.
    return redaction.chunks([_compact(plain)])[0]


def _digits(method: str, path: str, body: bytes) -> str:
    plain = _json(body)
    if isinstance(plain, dict):
        plain = {name: _canonical(name, value) for name, value in plain.items() if name not in _NOT_ASKED}
        body = json.dumps(plain, separators=(",", ":"), sort_keys=True).encode("ascii")
    return blake2b(f"{method} {path}\n".encode("utf-8", "surrogatepass") + body, digest_size=16).hexdigest()


def _canonical(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(key, held) for key, held in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_canonical("", held) for held in value]
    return [{"text": value, "type": "text"}] if name in ("content", "system") and isinstance(value, str) else value


def _json(body: bytes) -> Any:
    """The JSON of a body; None where it is none."""
    try:
        plain = json.loads(body, parse_constant=_refuse)
        _compact(plain)
    except (ValueError, RecursionError):
        return None
    return plain


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


def _compact(plain: Any) -> bytes:
    return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode("ascii")


# Lines


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Name = Annotated[str, Field(pattern=r"^[a-z0-9!#$%&'*+.^_`|~-]+$")]
_Value = Annotated[str, Field(pattern=r"^[^\r\n\x00]*$")]
_Us = Annotated[int, Field(ge=0)]


class _Encoded(_Table):
    base64: str


class _Request(_Table):
    headers: dict[_Name, _Value] = Field(default_factory=dict)
    plain: JsonValue = Field(default=None, alias="json")
    text: str = ""
    base64: str | None = None

    def body(self) -> bytes:
        if self.plain is not None:
            return _compact(self.plain)
        return self.text.encode("utf-8") if self.base64 is None else _decoded(self.base64)


class _Recorded(_Table):
    format: Literal["mockllm-recording/1"]
    method: Annotated[str, Field(pattern=r"^[A-Z]+$")]
    path: Annotated[str, Field(pattern=r"^/")]
    asked: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    request: _Request
    status: Annotated[int, Field(ge=200, le=599)]
    headers: dict[_Name, _Value]
    headers_us: _Us
    chunks: list[Annotated[list[_Us | str | _Encoded], Field(min_length=2, max_length=2)]]
    end_us: _Us
    cut: bool = False

    def exchange(self) -> Exchange:
        chunks: list[Chunk] = []
        for place, (at_us, data) in enumerate(self.chunks):
            before_us = chunks[-1].at_us if chunks else self.headers_us
            if not isinstance(at_us, int) or isinstance(data, int) or not before_us <= at_us <= self.end_us:
                raise ValueError(f"chunks.{place}: no pair of whole microseconds, in order, and a text")
            chunks.append(Chunk(at_us, data.encode("utf-8") if isinstance(data, str) else _decoded(data.base64)))
        if self.headers_us > self.end_us:
            raise ValueError("headers_us: lies after end_us")
        return Exchange(
            self.method,
            self.path,
            tuple(self.request.headers.items()),
            self.request.body(),
            self.status,
            tuple(self.headers.items()),
            self.headers_us,
            tuple(chunks),
            self.end_us,
            self.cut,
            self.asked,
        )


def _read_line(line: bytes, where: str) -> Exchange:
    try:
        plain = json.loads(line)
        found = plain.get("format") if isinstance(plain, dict) else None
        if found != FORMAT:
            raise RecordingError(
                f"{where}: is of the format {json.dumps(found)[:60]}, and {json.dumps(FORMAT)} is read here; "
                "record it again"
            )
        return _Recorded.model_validate(plain).exchange()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (ValueError, RecursionError) as error:  # bytes that are no UTF-8, no JSON, or no base64 among them
        reason = str(error)
    raise RecordingError(f"{where}: {reason}; mend the line, or take it out")


def _decoded(text: str) -> bytes:
    return b64decode(text, validate=True)


def _text(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode("ascii")}


def _written(body: bytes) -> dict[str, Any]:
    plain = _json(body)
    if plain is not None:
        return {"json": plain}
    text = _text(body)
    return {"text": text} if isinstance(text, str) else text


def _kept(
    headers: Iterable[tuple[str, str]], redaction: Redaction, names: set[str], prefixes: tuple[str, ...] = ()
) -> tuple[tuple[str, str], ...]:
    kept: dict[str, str] = {}
    for name, value in headers:
        low = name.lower()
        if low in names or low.startswith(prefixes):
            held = redaction.text(value)
            kept[low] = f"{kept[low]}, {held}" if low in kept else held
    return tuple(kept.items())
