"""A recording: requests that somebody timed, one a row, in a CSV file with the common columns."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latlab import LatlabError

__all__ = ["Recording", "RecordingError", "read_recording", "strata"]

Floats = NDArray[np.float64]
_REQUIRED = ("input_tokens", "ttft_s")
# float() takes 1_000, and the digits of every script.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NEEDED_ROWS = 24  # a third is held out; 16 are left for the seven or eight parameters of a form
_NEEDED_LENGTHS = 3  # a curve cannot be told from a line by fewer
_SAME_LENGTH = 1.1  # lengths within this ratio count as one


class RecordingError(LatlabError):
    """A recording that cannot be read or fitted; the message names the file, the place and how to mend it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Timed requests of one model, in thousands of tokens and seconds; arrays of shape (rows,).

    `skipped` counts the rows that were left out because their TTFT or length is blank (unknown).
    """

    source: str
    provider: str
    model: str
    uncached_k: Floats
    cached_k: Floats
    ttft_s: Floats
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.ttft_s)

    def rows(self, chosen: NDArray[np.intp]) -> Recording:
        """The recording of the chosen rows alone."""
        return Recording(
            self.source,
            self.provider,
            self.model,
            self.uncached_k[chosen],
            self.cached_k[chosen],
            self.ttft_s[chosen],
        )

    def split(self) -> tuple[Recording, Recording]:
        """Training rows and held-out rows: in order of length, every third row is held out.

        Rows of one length keep the order in which they were recorded, so both parts cover all lengths and times.
        """
        order = np.lexsort((np.arange(len(self)), self.cached_k, self.uncached_k))
        held_out = np.arange(len(self)) % 3 == 2
        return self.rows(order[~held_out]), self.rows(order[held_out])


def strata(uncached_k: Floats, at_least: int) -> list[NDArray[np.intp]]:
    """Row numbers grouped by length: each group holds `at_least` rows, of lengths within 10 % where that is enough."""
    order = np.argsort(uncached_k, kind="stable")
    groups: list[list[int]] = []
    first = -math.inf
    for row in order.tolist():
        length = max(float(uncached_k[row]), 1e-3)
        if not groups or (length > first * _SAME_LENGTH and len(groups[-1]) >= at_least):
            groups.append([])
            first = length
        groups[-1].append(row)
    if len(groups) > 1 and len(groups[-1]) < at_least:
        groups[-2].extend(groups.pop())
    return [np.array(group, dtype=np.intp) for group in groups]


def read_recording(path: Path, where: Mapping[str, str]) -> Recording:
    """The rows of `path` (.csv or .csv.gz) whose columns equal `where`; unknown columns are ignored.

    Columns: input_tokens (the whole prompt), ttft_s, and, where they are known, cached_tokens (of the prompt; blank
    is taken as none), source, provider, model. Raises `RecordingError` for a file that cannot be read or fitted.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such recording") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path}: not a text file in UTF-8; save it as CSV in UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        detail = getattr(error, "strerror", None) or error
        raise RecordingError(f"{path}: cannot be read: {detail}") from None
    return _parse(csv.DictReader(io.StringIO(text, newline=""), strict=True), str(path), where)


def _parse(table: csv.DictReader[str], path: str, where: Mapping[str, str]) -> Recording:
    try:
        columns = list(table.fieldnames or ())
    except csv.Error as error:
        raise RecordingError(f"{path}, line 1: not CSV: {error}") from None
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise RecordingError(f"{path}, line 1: the column {twice} is there twice; leave one of them out")
    for name in _REQUIRED:
        if name not in columns:
            raise RecordingError(
                f"{path}, line 1: no column {name}; a recording has {', '.join(_REQUIRED)} in its header"
            )
    for name in where:
        if name not in columns:
            raise RecordingError(f"{path}: --where {name}=…: no such column; there are {', '.join(columns)}")
    offered: dict[str, dict[str, None]] = {name: {} for name in where}
    named: dict[str, dict[str, None]] = {name: {} for name in ("source", "provider", "model")}
    kept: list[tuple[float, float, float]] = []
    chosen = 0
    for line, row in _lines(table, path):
        matches = all(row[name] == value for name, value in where.items())
        for name in where:
            offered[name][row[name]] = None
        if not matches:
            continue
        chosen += 1
        for name in named:
            named[name][row.get(name) or ""] = None
        timed = _timed(row, path, line)
        if timed is not None:
            kept.append(timed)
    if not chosen:
        raise RecordingError(_nothing_left(path, where, offered))
    if len(named["model"]) > 1:
        models = [name for name in named["model"] if name]
        raise RecordingError(
            f"{path}: rows of {len(named['model'])} models ({_listed(models)}); "
            f"choose one with --where 'model={models[0]}'"
        )
    values = np.array(kept, dtype=np.float64).reshape(-1, 3)
    recording = Recording(
        source=", ".join(filter(None, named["source"])),
        provider=", ".join(filter(None, named["provider"])),
        model=next(iter(named["model"])),
        uncached_k=values[:, 0],
        cached_k=values[:, 1],
        ttft_s=values[:, 2],
        skipped=chosen - len(kept),
    )
    _refuse_too_little(recording, path)
    return recording


def _lines(table: csv.DictReader[str], path: str) -> Iterator[tuple[int, dict[str, str]]]:
    while True:
        try:
            row = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            raise RecordingError(f"{path}, line {table.line_num}: not CSV: {error}") from None
        # DictReader puts surplus fields under None and fills missing ones with None.
        if None in row or None in row.values():
            wanted = len(table.fieldnames or ())
            raise RecordingError(f"{path}, line {table.line_num}: the header has {wanted} fields and this line has not")
        yield table.line_num, row


def _timed(row: dict[str, str], path: str, line: int) -> tuple[float, float, float] | None:
    prompt, ttft_s = (_number(row, name, path, line) for name in _REQUIRED)
    cached = _number(row, "cached_tokens", path, line) or 0.0
    if prompt is None or ttft_s is None:
        return None
    if ttft_s == 0.0:
        raise RecordingError(f"{path}, line {line}, ttft_s: 0 is no time to first token; leave an unknown one blank")
    if cached > prompt:
        raise RecordingError(
            f"{path}, line {line}, cached_tokens: {cached:g} is more than input_tokens, {prompt:g}; "
            "input_tokens counts the cached ones too"
        )
    return (prompt - cached) / 1000, cached / 1000, ttft_s


def _number(row: dict[str, str], name: str, path: str, line: int) -> float | None:
    text = (row.get(name) or "").strip()
    if not text:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0.0 <= value < math.inf:
        raise RecordingError(
            f"{path}, line {line}, {name}: {text[:40]!r} is not a number from 0 up; mend it or leave it blank"
        )
    return value


def _nothing_left(path: str, where: Mapping[str, str], offered: Mapping[str, Mapping[str, None]]) -> str:
    if not where:
        return f"{path}: no rows under the header"
    for name, value in where.items():
        if value not in offered[name]:
            near = get_close_matches(value, offered[name], n=1)
            hint = f"; did you mean '{name}={near[0]}'?" if near else ""
            return f"{path}: no row has {name}={value}; {name} is one of {_listed(offered[name])}{hint}"
    both = " and ".join(f"{name}={value}" for name, value in where.items())
    return f"{path}: no row has {both} at once"


def _refuse_too_little(recording: Recording, path: str) -> None:
    lengths = len(strata(recording.uncached_k, 1)) if len(recording) else 0
    if len(recording) < _NEEDED_ROWS:
        raise RecordingError(
            f"{path}: {len(recording)} rows with input_tokens and ttft_s are too few to fit; {_NEEDED_ROWS} are needed"
        )
    if lengths < _NEEDED_LENGTHS:
        raise RecordingError(
            f"{path}: uncached prompts of {lengths} different length(s) do not show how TTFT grows; "
            f"{_NEEDED_LENGTHS} are needed, each 10 % longer than the one before"
        )


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:8]) + (", …" if len(shown) > 8 else "")
