from __future__ import annotations

import io

from rich.console import Console

from latlab.harness.reporter.columns import Column, print_table

COLUMNS = (Column("first", ("1.00\n[0.90, 1.10]", "2.00")), Column("second", ("3.00", "4.00")))


def printed(width: int, labels: tuple[str, str] = ("baseline", "streaming=true")) -> list[str]:
    out = io.StringIO()
    print_table(Console(file=out, width=width), "Title", labels, COLUMNS)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_table_that_fits_is_printed_once_with_figures_at_the_right() -> None:
    assert printed(80) == [
        "Title",
        "arm                    first  second",
        "────────────────────────────────────",
        "baseline                1.00    3.00",
        "                [0.90, 1.10]",
        "streaming=true          2.00    4.00",
    ]


def test_labels_wrap_before_columns_go_to_a_further_table() -> None:
    assert printed(32) == [
        "Title",
        "arm                first  second",
        "────────────────────────────────",
        "baseline            1.00    3.00",
        "            [0.90, 1.10]",
        "streaming=          2.00    4.00",
        "true",
    ]


def test_columns_that_do_not_fit_go_on_beside_the_same_labels() -> None:
    assert printed(28) == [
        "Title",
        "arm                first",
        "────────────────────────",
        "baseline            1.00",
        "            [0.90, 1.10]",
        "streaming=          2.00",
        "true",
        "",
        "Title (continued)",
        "arm         second",
        "──────────────────",
        "baseline      3.00",
        "streaming=    4.00",
        "true",
    ]
