"""Two pictures of a study: how long each arm's runs took (ECDF), and what each arm changed (forest plot).

Drawn with matplotlib's objects on an Agg canvas: no pyplot and no global state, so the same figures give the
same bytes. Colours are those of Okabe and Ito (2008), which colour-blind readers tell apart.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from latlab.harness.reporter.artifact import write_bytes
from latlab.harness.reporter.effects import Effects, scenarios
from latlab.harness.reporter.labels import arm_name, subject, wrapped
from latlab.harness.reporter.rounding import figure, percent, ratio_with_interval

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["write_ecdf", "write_forest"]

_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)))
_INK, _SOFT, _FAINT = "#333333", "#777777", "#CCCCCC"
_WIDTH_IN, _DPI = 10.0, 150
_NAME_WIDTH, _LINE_IN = 28, 0.16  # characters before an arm's name wraps; height of a line
_LOG_FROM = 8.0  # spread (slow over fast, extremes aside) from which a linear axis hides the fast runs
_FOREST = (("total_s", "total time", "#0072B2", "o"), ("perceived_s", "perceived time", "#D55E00", "s"))


def write_ecdf(samples: Mapping[str, NDArray[np.float64]], path: Path, title: str) -> None:
    """Draw the empirical distribution of ``samples`` (arm -> total_s of its runs, seconds) as a PNG.

    The legend names the arms from the fastest median to the slowest; an arm without runs says so.

    Raises:
        UnwritableArtifactError: the file cannot be written.
    """
    import numpy as np

    names = {label: wrapped(label, _NAME_WIDTH) for label in samples}
    drawing, axes = _canvas(max(5.6, 0.5 + sum(0.34 + _LINE_IN * _lines(name) for name in names.values())))
    legend = []
    for index, (label, values) in enumerate(samples.items()):
        # Thinner line by line: an arm that took exactly as long as another stays visible behind it.
        style = {
            "color": _COLOURS[index % len(_COLOURS)],
            "linestyle": _DASHES[index // len(_COLOURS) % len(_DASHES)],
            "linewidth": max(1.3, 3.2 - 0.4 * index),
            "zorder": 3 + index,
        }
        if len(values):
            median = float(np.median(values))
            line = axes.ecdf(values, **style)
            legend.append((median, f"{names[label]}\nmedian {figure(median)} s of {len(values)} runs", line))
        else:
            (line,) = axes.plot([], [], **style)
            legend.append((np.inf, f"{names[label]}\nno finished run", line))
    _seconds_axis(axes, np.concatenate([[], *samples.values()]))
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        axes.axhline(share, color=_SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        _outside(axes, name, share, 4, color=_SOFT, va="center")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.set_ylabel("share of runs that took at most so long", color=_INK)
    _title(drawing, title)
    legend.sort(key=lambda entry: entry[0])
    drawing.legend(
        [line for _, _, line in legend], [text for _, text, _ in legend], loc="outside right center",
        frameon=False, fontsize=9, labelspacing=1.1, handlelength=2.2, labelcolor=_INK,
    )  # fmt: skip
    _write(drawing, path)


def write_forest(summary: Mapping[str, Any], path: Path) -> None:
    """Draw each arm's geometric-mean ratio to the baseline, of total_s and perceived_s, as a PNG.

    Beside each stand its figures, and the share of plausible profiles in which it holds where that was asked.

    Raises:
        UnwritableArtifactError: the file cannot be written.
    """
    effects = Effects(summary)
    grouped = scenarios(summary)
    arms = [arm for members in grouped.values() for arm in members if effects.compared(arm)]
    names = [f"{arm['scenario']} / {arm_name(arm)}" if len(grouped) > 1 else arm_name(arm) for arm in arms]
    names = [wrapped(name, _NAME_WIDTH) for name in names]
    row_in = max([0.62, *(0.1 + _LINE_IN * _lines(name) for name in names)])
    drawing, axes = _canvas(1.9 + row_in * max(1, len(arms)))
    extent = [1.0]
    for row, arm in enumerate(arms):
        if row % 2:
            axes.axhspan(row - 0.5, row + 0.5, color="#F5F5F5", linewidth=0, zorder=0)
        for offset, (metric, _, colour, marker) in zip((-0.18, 0.18), _FOREST, strict=True):
            found = effects.of(arm, metric, "geometric_mean")
            if found is None or found["ratio"] is None:
                _beside(axes, row + offset, "n/a", "", colour)
                continue
            ratio, interval = found["ratio"], found.get("ci") or ()
            axes.plot(interval, [row + offset] * len(interval), **_line(colour), zorder=3)
            axes.plot([ratio], [row + offset], **_line(colour), **_marker(marker), zorder=4)
            extent += [ratio, *interval]
            share = found.get("plausible_share")
            same = found["verdict"] == "identical"
            told = "identical" if same else figure(ratio)
            if interval and not same:
                told = " ".join(ratio_with_interval(ratio, interval))
            _beside(axes, row + offset, told, "" if share is None or same else percent(share), colour)
    _ratio_axis(axes, min(extent), max(extent))
    axes.set_yticks(range(len(arms)), names, color=_INK)
    axes.set_ylim(max(1, len(arms)) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    plausible = summary.get("plausible")
    held = f"holds in, of\n{plausible['profiles']} profiles" if plausible else ""
    _beside(axes, -0.58, "ratio\n[95 % interval]", held, _SOFT, level="bottom")
    for _, name, colour, marker in _FOREST:
        axes.plot([], [], **_line(colour), **_marker(marker), label=name)
    drawing.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9, labelcolor=_INK)
    _title(drawing, f"{subject(summary)}: time relative to the baseline")
    _write(drawing, path)


def _canvas(height_in: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    margins = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12)
    drawing = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout=margins, facecolor="white")
    FigureCanvasAgg(drawing)
    axes = drawing.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_SOFT)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.grid(color=_FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    return drawing, axes


def _line(colour: str) -> dict[str, Any]:
    return {"color": colour, "linewidth": 2.2, "solid_capstyle": "butt"}


def _marker(shape: str) -> dict[str, Any]:
    return {"marker": shape, "markersize": 6.5, "markeredgecolor": "white", "markeredgewidth": 0.8}


def _lines(name: str) -> int:
    return 1 + name.count("\n")


def _title(drawing: Figure, text: str) -> None:
    drawing.suptitle(wrapped(text, 110), x=0.15 / _WIDTH_IN, ha="left", color=_INK, fontsize=12)


def _beside(axes: Axes, row: float, told: str, share: str, colour: str, level: str = "center") -> None:
    """Write ``told`` and ``share`` in two columns right of the axes, level with ``row``."""
    for text, points, side in ((told, 12, "left"), (share, 200, "right")):
        _outside(axes, text, row, points, color=colour, va=level, ha=side)


def _outside(axes: Axes, text: str, row: float, points: float, **style: Any) -> None:
    """Write ``text`` so many points right of the axes, at ``row`` of their vertical scale."""
    edge = axes.get_yaxis_transform()
    axes.annotate(text, (1, row), (points, 0), edge, "offset points", annotation_clip=False, fontsize=9, **style)


def _seconds_axis(axes: Axes, pooled: NDArray[np.float64]) -> None:
    import numpy as np

    axes.set_xlabel("total time of a run, s", color=_INK)
    if not len(pooled):
        return
    low, high = np.quantile(pooled, (0.005, 0.995))
    if low > 0 and high / low >= _LOG_FROM:
        _log_axis(axes)


def _ratio_axis(axes: Axes, low: float, high: float) -> None:
    """A log axis, where halving and doubling are equally far from 1; round steps where the span is short."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    axes.set_xlabel("ratio to the baseline (left of 1: faster)", color=_INK)
    axes.axvline(1, color=_INK, linewidth=1.1, zorder=2)
    spread = max(high / low, 1.02)
    low, high = low / spread**0.06, high * spread**0.06
    _log_axis(axes)
    if spread < 10:
        steps = MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        axes.xaxis.set_major_locator(FixedLocator([step for step in steps if low <= step <= high]))
    axes.set_xlim(low, high)


def _log_axis(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _write(drawing: Figure, path: Path) -> None:
    png = io.BytesIO()
    drawing.savefig(png, format="png", metadata={"Software": None})
    write_bytes(path, png.getvalue())
