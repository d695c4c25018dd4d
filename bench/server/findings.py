"""What a bench found: each figure as the median of its rounds, beside the references and what is wanted of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from bench.server.workloads import AIOHTTP, ASYNCIO, MOCK

__all__ = ["Finding", "Memory", "Series", "judge", "judge_memory", "table"]

Series: TypeAlias = Mapping[str, Sequence[float]]
"""One figure's values by server, round by round."""

_LEAST_REQUESTS = 3000.0
_LEAST_REQUESTS_RATIO = 0.4
_LEAST_EVENTS = 60_000.0
_LEAST_EVENTS_RATIO = 0.5
_MOST_GAP_ERROR = 0.1
_MOST_TTFT_DIFFERENCE_MS = {1: 1.5, 100: 6.0}
_MOST_GROWTH = 100.0


class Finding(NamedTuple):
    """One line of the table; `good` says whether what is wanted was found."""

    figure: str
    mock: str
    aiohttp: str
    asyncio: str
    beside: str
    wanted: str
    good: bool


class Memory(NamedTuple):
    """Bytes resident after the warm-up, half way, and after all of `requests` requests."""

    warm: int
    half: int
    end: int
    requests: int


def judge(figure: str, series: Series) -> Finding:
    """The finding for `figure`, whose first words say how it is judged."""
    if figure.startswith("requests/s"):
        ratio = _ratio(series)
        good = statistics.median(series[MOCK]) >= _LEAST_REQUESTS and ratio >= _LEAST_REQUESTS_RATIO
        wanted = f"{_LEAST_REQUESTS:,.0f} or more, and {_LEAST_REQUESTS_RATIO} or more of aiohttp"
        return _finding(figure, series, ",.0f", f"{ratio:.2f} of aiohttp", wanted, good)
    if figure.startswith("events/s"):
        ratio = _ratio(series)
        good = statistics.median(series[MOCK]) >= _LEAST_EVENTS or ratio >= _LEAST_EVENTS_RATIO
        wanted = f"{_LEAST_EVENTS:,.0f} or more, or {_LEAST_EVENTS_RATIO} or more of aiohttp"
        return _finding(figure, series, ",.0f", f"{ratio:.2f} of aiohttp", wanted, good)
    if figure.startswith("TTFT error"):
        more = statistics.median([mock - bare for mock, bare in zip(series[MOCK], series[ASYNCIO], strict=True)])
        most = _MOST_TTFT_DIFFERENCE_MS[1 if figure.endswith(" 1 stream") else 100]
        return _finding(figure, series, ".2f", f"{more:+.2f} ms to asyncio", f"{most:+} ms or less", more <= most)
    good = abs(statistics.median(series[MOCK])) <= _MOST_GAP_ERROR
    return _finding(figure, series, "+.4f", "", f"within {_MOST_GAP_ERROR} % of the plan", good)


def judge_memory(memory: Memory) -> Finding:
    """What the mock keeps of its requests: names, log and cache are all bounded, so it is little in the long run."""
    growth = (memory.end - memory.half) / (memory.requests / 2)
    return Finding(
        f"MB after {memory.requests:,} requests",
        f"{memory.end / 1e6:.1f}",
        "",
        "",
        f"{memory.warm / 1e6:.1f} MB when warm; {growth:+.0f} bytes a request at last",
        f"{_MOST_GROWTH:.0f} bytes a request or less",
        growth <= _MOST_GROWTH,
    )


def table(findings: Sequence[Finding]) -> str:
    """The findings in aligned columns under their headings, the missed ones marked."""
    rows = [("figure", MOCK, AIOHTTP, ASYNCIO, "mock beside it", "wanted", "")]
    rows += [(*found[:6], "" if found.good else "MISSED") for found in findings]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _ratio(series: Series) -> float:
    return statistics.median([mock / bare for mock, bare in zip(series[MOCK], series[AIOHTTP], strict=True)])


def _finding(figure: str, series: Series, form: str, beside: str, wanted: str, good: bool) -> Finding:
    mock, aiohttp, bare = (format(statistics.median(series[name]), form) for name in (MOCK, AIOHTTP, ASYNCIO))
    return Finding(figure, mock, aiohttp, bare, beside, wanted, good)
