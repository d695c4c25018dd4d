"""The command line of `latlab calibrate fit`: its arguments in, its table or its JSON out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from latlab import LatlabError

__all__ = ["WhereError", "fit_command"]


class WhereError(LatlabError):
    """A --where that is not COLUMN=VALUE."""


def fit_command(csv: Path, where: Sequence[str], out: Path | None, like: str | None, *, as_json: bool) -> None:
    """Fit, write the profile, and print what was found: one JSON object, or tables for a person."""
    chosen: dict[str, str] = {}
    for column, value in map(_column_and_value, where):
        if column in chosen:
            raise WhereError(f"--where {column}=…: given twice; a row has one {column}, so give one value")
        chosen[column] = value
    from latlab.calibration.command import fit_recording

    report = fit_recording(csv, chosen, out, like=like)
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
        return
    from rich.console import Console

    console = Console()
    report.render(console)
    if out is not None:
        console.print(f"Written to {out}", highlight=False, markup=False)


def _column_and_value(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals or not column:
        raise WhereError(f"--where {text!r}: not COLUMN=VALUE; write, say, --where 'model=Claude Sonnet 5'")
    return column.strip(), value
