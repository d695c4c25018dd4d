from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from latlab.calibration import command
from latlab.calibration.shell import WhereError, fit_command


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    calls: list[tuple[object, ...]] = []

    def fit(csv: Path, where: dict[str, str], out: Path | None, *, like: str | None) -> SimpleNamespace:
        calls.append((csv, where, out, like))
        render: Callable[..., None] = lambda console: console.print("the table")  # noqa: E731  # needs a name and no more
        return SimpleNamespace(to_json=lambda: {"parameters": []}, render=render)

    monkeypatch.setattr(command, "fit_recording", fit)
    return calls


def test_where_is_column_equals_value(asked: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    fit_command(Path("r.csv"), ["model=A=B", "provider="], Path("p.toml"), "own", as_json=True)
    assert asked == [(Path("r.csv"), {"model": "A=B", "provider": ""}, Path("p.toml"), "own")]
    assert json.loads(capsys.readouterr().out) == {"parameters": []}


def test_a_person_gets_the_table_and_the_path(
    asked: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    fit_command(Path("r.csv"), [], Path("p.toml"), None, as_json=False)
    shown = capsys.readouterr().out
    assert "the table" in shown
    assert "Written to p.toml" in shown


def test_a_column_is_asked_for_once() -> None:
    with pytest.raises(WhereError, match="--where model=…: given twice"):
        fit_command(Path("r.csv"), ["model=A", "model=B"], None, None, as_json=False)


@pytest.mark.parametrize("where", ["model", "=A", ""])
def test_a_where_without_column_or_value_is_refused(where: str) -> None:
    with pytest.raises(WhereError, match="COLUMN=VALUE"):
        fit_command(Path("r.csv"), [where], None, None, as_json=False)
