"""A study's rows: one SQLite file, one row a run and one a call, written in batches as they finish.

Rows are keyed by what they are of, so order of arrival, executors and interruptions leave the same content; the digest
is taken from what is stored and not from what was meant to be.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from latlab import LatlabError
from latlab.client import CallRecord
from latlab.worlds.run import Outcome, RunRecord
from latlab.worlds.served import ClientLoad, ServedCall

__all__ = ["RunKey", "Store", "StoreError", "StoredRun"]

_RUN_FIGURES = ", ".join(RunRecord._fields)
_CALL_FIGURES = ", ".join(CallRecord._fields)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS runs (
    arm INTEGER NOT NULL, plausible INTEGER NOT NULL, run INTEGER NOT NULL, error TEXT,
    {" INTEGER, ".join(RunRecord._fields)} INTEGER,
    PRIMARY KEY (arm, plausible, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    arm INTEGER NOT NULL, run INTEGER NOT NULL, path TEXT NOT NULL, {" INTEGER NOT NULL, ".join(CallRecord._fields[1:])}
    INTEGER NOT NULL,
    PRIMARY KEY (arm, run, path, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS served (
    arm INTEGER NOT NULL, run INTEGER NOT NULL, path TEXT NOT NULL, {" INTEGER, ".join(ServedCall._fields[1:])} INTEGER,
    PRIMARY KEY (arm, run, path, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS loads (
    arm INTEGER NOT NULL, run INTEGER NOT NULL,
    lag_us INTEGER NOT NULL, worst_lag_us INTEGER NOT NULL, cpu_share REAL NOT NULL,
    PRIMARY KEY (arm, run)
) STRICT, WITHOUT ROWID;
"""
_COLUMNS = {
    "runs": 4 + len(RunRecord._fields),
    "calls": 2 + len(CallRecord._fields),
    "served": 2 + len(ServedCall._fields),
    "loads": 2 + len(ClientLoad._fields),
}
_INSERTS = [f"INSERT INTO {table} VALUES ({', '.join('?' * count)})" for table, count in _COLUMNS.items()]  # noqa: S608  # our own names
_NO_FIGURES = (None,) * len(RunRecord._fields)
_IN_ORDER = "FROM runs ORDER BY arm, plausible, run"
_EVERY_RUN = f"SELECT arm, plausible, run, error, {_RUN_FIGURES} {_IN_ORDER}"
_EVERY_CALL = f"SELECT arm, run, {_CALL_FIGURES} FROM calls ORDER BY arm, run, path, attempt"  # noqa: S608  # our own names
_EVERY_SERVED = f"SELECT arm, run, {', '.join(ServedCall._fields)} FROM served ORDER BY arm, run, path, attempt"  # noqa: S608  # our own names
_EVERY_LOAD = f"SELECT arm, run, {', '.join(ClientLoad._fields)} FROM loads ORDER BY arm, run"  # noqa: S608  # our own names
_FAILURES = "SELECT arm, plausible, run, error FROM runs WHERE error IS NOT NULL ORDER BY plausible, arm, run"
# That a run failed is a figure; the words of its error may hold an address, or the time of day.
_FAILED = "CASE WHEN error IS NOT NULL THEN 'failed' END"
_EVERY_RUN_WRITTEN = f"SELECT arm, plausible, run, {_FAILED}, {_RUN_FIGURES} {_IN_ORDER}"
# SQLite writes a call out in half the time that Python takes for it. A path holds neither space nor comma.
_EVERY_CALL_WRITTEN = f"""
SELECT printf('%d,%d,%s{",%d" * (len(CallRecord._fields) - 1)};', arm, run, {_CALL_FIGURES})
FROM calls ORDER BY arm, run, path, attempt
"""  # noqa: S608  # our own names
_CALL_MEANS = """
SELECT arm, run, AVG(ttft_us) / 1e6,
    AVG(CASE WHEN streamed AND output_tokens > 1 AND total_us > ttft_us
        THEN (output_tokens - 1) * 1e6 / (total_us - ttft_us) END)
FROM calls GROUP BY arm, run
"""


class StoreError(LatlabError):
    """A study's file cannot be opened, read or written."""


class RunKey(NamedTuple):
    """Which run: its arm, the plausible profile it was run under (0: the profile as fitted), and its number."""

    arm: int
    plausible: int
    run: int


class StoredRun(NamedTuple):
    """One run as stored: figures, or the line that says why there are none."""

    key: RunKey
    error: str | None
    figures: RunRecord | None


class Store:
    """The rows of one study, in the file `path`.

    Raises `StoreError` where the file cannot be made, is no study, or the disk is full; what was written before stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._saying():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def add(self, outcomes: Iterable[tuple[RunKey, Outcome]]) -> None:
        """Write finished runs, all or none of them; a run that is there already is replaced, and so are its calls."""
        outcomes = list(outcomes)
        fitted = [(key, outcome) for key, outcome in outcomes if not key.plausible]
        runs = [(*key, outcome.error, *(outcome.run or _NO_FIGURES)) for key, outcome in outcomes]
        calls = [(key.arm, key.run, *call) for key, outcome in fitted for call in outcome.calls]
        served = [(key.arm, key.run, *call) for key, outcome in fitted for call in outcome.served]
        loads = [(key.arm, key.run, *outcome.load) for key, outcome in fitted if outcome.load is not None]
        with self._saying(), self._transaction():
            try:
                self._insert(runs, calls, served, loads)
            except sqlite3.IntegrityError:
                keys = [key for key, _ in outcomes]
                self._connection.executemany("DELETE FROM runs WHERE arm = ? AND plausible = ? AND run = ?", keys)
                for table in ("calls", "served", "loads"):
                    every = [(key.arm, key.run) for key, _ in fitted]
                    self._connection.executemany(f"DELETE FROM {table} WHERE arm = ? AND run = ?", every)  # noqa: S608  # our own names
                self._insert(runs, calls, served, loads)

    def done(self) -> set[RunKey]:
        """The runs that are there."""
        return {RunKey(*row) for row in self._select("SELECT arm, plausible, run FROM runs")}

    def runs(self) -> Iterator[StoredRun]:
        """Every run, in the order of its key."""
        for arm, plausible, run, error, *figures in self._select(_EVERY_RUN):
            yield StoredRun(RunKey(arm, plausible, run), error, None if error is not None else RunRecord(*figures))

    def failures(self) -> Iterator[tuple[RunKey, str]]:
        """Every run that failed, with its one line; those under the profile as fitted first."""
        for arm, plausible, run, error in self._select(_FAILURES):
            yield RunKey(arm, plausible, run), error

    def calls(self) -> Iterator[tuple[int, int, CallRecord]]:
        """Every call with its arm and run, in canonical order."""
        for arm, run, *figures in self._select(_EVERY_CALL):
            yield arm, run, CallRecord(*figures)

    def served(self) -> Iterator[tuple[int, int, ServedCall]]:
        """The server's account of every call in real time with its arm and run, in canonical order."""
        for arm, run, *figures in self._select(_EVERY_SERVED):
            yield arm, run, ServedCall(*figures)

    def loads(self) -> Iterator[ClientLoad]:
        """How busy the client was in every run in real time, in canonical order."""
        for _, _, *figures in self._select(_EVERY_LOAD):
            yield ClientLoad(*figures)

    def call_means(self) -> dict[tuple[int, int], tuple[float, float | None]]:
        """By arm and run: the mean TTFT of its calls in seconds, and of those streamed the mean tokens a second after
        the first, None where there is none."""
        return {(arm, run): (ttft_s, rate) for arm, run, ttft_s, rate in self._select(_CALL_MEANS)}

    def digest(self, what: str) -> str:
        """`sha256:` of every measured figure: two machines that print the same one measured the same thing.

        That a run failed counts as one; why it did does not.

        It covers `what` (the scenario and its arms, in words), every run in the order of arm, plausible profile and
        number, and the calls of those under the profile as fitted, by path.
        """
        hashed = sha256(what.encode())
        for row in self._select(_EVERY_RUN_WRITTEN):
            hashed.update(repr(row).encode())
        for (written,) in self._select(_EVERY_CALL_WRITTEN):
            hashed.update(written.encode())
        return f"sha256:{hashed.hexdigest()}"

    def _select(self, query: str) -> Iterator[tuple[Any, ...]]:
        with self._saying():
            yield from self._connection.execute(query)

    def _insert(self, *rows: Sequence[tuple[object, ...]]) -> None:
        for statement, some in zip(_INSERTS, rows, strict=True):
            self._connection.executemany(statement, some)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # a full disk has already undone it
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _saying(self) -> Iterator[None]:
        """Turn what SQLite and the file system say into one line."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = str(error)
    if "disk is full" in text or "No space left" in text:
        return "the disk is full; what was finished is kept; free some space and repeat the command to go on"
    if "not a database" in text or "malformed" in text:
        return "not a study's file; give another --out, or --fresh to start this study again"
    if "locked" in text:
        return "in use by another run; wait for it to end"
    return f"cannot be written ({text}); give another --out"
