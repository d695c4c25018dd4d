"""Tables of figures that never cut a figure: what does not fit the width goes on in a further table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from latlab.harness.reporter.labels import unbreakable, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["Column", "print_table"]

_GAP = 2  # blanks between columns
_LABEL_WIDTH = 28  # the widest that labels are set before they wrap


@dataclass(frozen=True)
class Column:
    """One column: a heading and a cell a row; a cell's first line is its figure, the next qualify it."""

    heading: str
    cells: tuple[str, ...]
    styles: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return max(len(line) for cell in (self.heading, *self.cells) for line in cell.split("\n"))


def print_table(console: Console, title: str, labels: Sequence[str], columns: Sequence[Column]) -> None:
    """Print ``columns`` right of ``labels``, which wrap, and repeat in each table that it takes."""
    narrowest = max(map(unbreakable, labels))
    room = console.width - sum(column.width + _GAP for column in columns)
    if room < narrowest:
        room = console.width // 3
    width = max(narrowest, min(room, _LABEL_WIDTH, max(map(len, labels))))
    for index, part in enumerate(_parts(columns, console.width - width)):
        if index:
            console.print()
        console.print(_table(f"{title} (continued)" if index else title, labels, width, part))


def _parts(columns: Sequence[Column], room: int) -> list[list[Column]]:
    parts: list[list[Column]] = [[]]
    used = 0
    for column in columns:
        used += column.width + _GAP
        if used > room and parts[-1]:
            parts.append([])
            used = column.width + _GAP
        parts[-1].append(column)
    return parts


def _table(title: str, labels: Sequence[str], width: int, columns: Sequence[Column]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0),
        title=Text(title, style="bold"), title_justify="left", title_style="not italic",
    )  # fmt: skip
    table.add_column("arm", width=width, overflow="fold")
    for column in columns:
        table.add_column(Text(column.heading), width=column.width, overflow="fold", justify="right")
    for row, label in enumerate(labels):
        cells = [_cell(column.cells[row], column.styles[row] if column.styles else "") for column in columns]
        table.add_row(Text(wrapped(label, width)), *cells)
    return table


def _cell(text: str, style: str) -> Text:
    from rich.text import Text

    first, *rest = text.split("\n")
    cell = Text(first, style=style)
    for line in rest:
        cell.append(f"\n{line}", style="" if style else "dim")
    return cell
