from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from latlab.harness.reporter.terminal import render

FIGURES = (
    "8.80", "[8.54, 9.15]", "14.2", "[13.8, 14.8]", "19.0", "[18.4, 19.8]", "7.77", "2.22", "$0.0123", "0 %",
    "5.46", "4.82", "1.38", "$0.00765", "99.6 %", "0.620", "[0.400, 0.700]", "<0.0001", "97 %", "0.500",
)  # fmt: skip


def shown(summary: dict[str, Any], width: int = 120) -> str:
    out = io.StringIO()
    render(summary, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [50, 80, 100, 120])
def test_every_figure_is_whole_at_every_width(summary: dict[str, Any], width: int) -> None:
    words = set(re.findall(r"\[[^\]]*\]|[<>]?\$?[\d.]+(?: %)?", shown(summary, width)))
    assert set(FIGURES) <= words


@pytest.mark.parametrize("width", [50, 80, 100, 120])
def test_only_what_is_copied_may_be_wider_than_the_terminal(summary: dict[str, Any], width: int) -> None:
    lines = shown(summary, width).splitlines()
    assert all(len(line) <= width for line in lines if not line.startswith(("digest", "written", "reproduce")))


def test_a_wide_terminal_shows_each_table_once_and_a_narrow_one_repeats_the_arms(
    summary: dict[str, Any],
) -> None:
    assert shown(summary, 120).count("connection_reuse=true") == 2
    assert "(continued)" not in shown(summary, 120)
    assert "What each arm took (continued)" in shown(summary, 80)


def test_output_that_is_no_terminal_carries_no_colour(summary: dict[str, Any]) -> None:
    assert "\x1b" not in shown(summary)


def test_a_terminal_colours_the_verdict(summary: dict[str, Any]) -> None:
    out = io.StringIO()
    render(
        summary,
        Console(file=out, width=120, force_terminal=True, color_system="standard", legacy_windows=False),
    )
    assert re.search(r"\x1b\[32m *faster", out.getvalue())


def test_a_stream_without_unicode_gets_plain_signs(summary: dict[str, Any]) -> None:
    summary["arms"][0]["metrics"]["total_s"]["p99"] = {
        "value": None,
        "lower_bound": 17.0,
        "max": 19.3,
        "needs_n": 368,
    }
    summary["assumptions"][0]["reason"] = "±20 %"
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    render(summary, Console(file=stream, width=120))
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert ">=17.0 max 19.3" in text
    assert "assumed: ?20 %" in text


def test_the_title_says_what_was_asked(summary: dict[str, Any]) -> None:
    title, baseline = shown(summary).splitlines()[:2]
    assert title == "tool_agent on claude-sonnet-5 · sim world · 400 runs an arm · seed 7 · cache cold at the start"
    assert baseline == "baseline: cache_control=off, connection_reuse=false, streaming=false"


def test_a_quantile_that_is_not_estimable_is_no_number_but_what_is_known(summary: dict[str, Any]) -> None:
    for arm in summary["arms"]:
        arm["metrics"]["total_s"]["p99"] = {"value": None, "lower_bound": 17.0, "max": 19.3, "needs_n": 368}
    text = shown(summary)
    assert text.count("n/a: N<368") == text.count("≥17.0 max 19.3") == 3
    assert "--runs 368" in text
    assert "19.0" not in text


def test_a_bound_that_does_not_exist_is_left_out(summary: dict[str, Any]) -> None:
    unknown = {"value": None, "lower_bound": None, "max": 19.3, "needs_n": 368}
    summary["arms"][0]["metrics"]["total_s"]["p99"] = unknown
    assert "≥1" not in shown(summary)
    assert "max 19.3" in shown(summary)


def test_an_identical_arm_says_so_without_an_interval(summary: dict[str, Any]) -> None:
    text = shown(summary)
    row = next(line for line in text.splitlines() if line.startswith("connection_reuse=true") and "identical" in line)
    assert row.split() == ["connection_reuse=true", "1.00", "1", "-", "identical", "1.00", "1.00"]
    assert "[1.00, 1.00]" not in text
    assert "identical: each run took exactly as long" in text


def test_an_interval_that_stops_short_of_1_does_not_read_as_1(summary: dict[str, Any]) -> None:
    summary["comparisons"][0] |= {"ratio": 0.993, "ci": [0.9862, 0.9998]}
    assert "[0.9862, 0.9998]" in shown(summary)


def test_the_fastest_arm_is_named(summary: dict[str, Any]) -> None:
    assert "Fastest: cache_control=conversation, 0.620 [0.400, 0.700] of the baseline's" in shown(summary)
    for comparison in summary["comparisons"]:
        comparison["verdict"] = "no difference shown"
    assert "Fastest" not in shown(summary)


def test_failures_are_listed_apart_and_counted(summary: dict[str, Any]) -> None:
    assert "Failed" not in shown(summary)
    summary["arms"][1]["errors"] = 7
    summary["failures"] = [
        {"label": "cache_control=conversation", "run": run, "error": "529 [overloaded]"} for run in range(7)
    ]
    text = shown(summary)
    assert "Failed runs, kept apart from every figure above (7); --fresh tries them again:" in text
    assert "cache_control=conversation, run 4: 529 [overloaded]" in text
    assert "run 5:" not in text
    assert "… 2 more" in text
    summary["failures"][0] |= {"plausible": 12, "run": 3}
    assert "cache_control=conversation, plausible profile 12, run 3: 529" in shown(summary)
    assert re.search(r"^cache_control=conversation +400 +7 ", text, re.MULTILINE)


def test_assumptions_stand_with_value_interval_and_reason(summary: dict[str, Any]) -> None:
    line = "ttft.cached_s_per_1k = 0.0017 [0, 0.004], assumed: no recording holds a cached prompt (vendor's"
    assert line in shown(summary)


def test_an_assumption_may_be_no_fraction_and_have_no_interval(summary: dict[str, Any]) -> None:
    summary["assumptions"] = [
        {"name": "cache.lookback_blocks", "value": 20, "evidence": "published"},
        {"name": "ttft.from_tokens", "value": 48000.0, "interval": [40000.0, 64000.0], "evidence": "assumed"},
    ]
    lines = [line.strip() for line in shown(summary).splitlines()]
    assert "cache.lookback_blocks = 20, published" in lines
    assert "ttft.from_tokens = 48000 [40000, 64000], assumed" in lines


def test_both_kinds_of_uncertainty_are_explained_where_both_are_shown(summary: dict[str, Any]) -> None:
    assert "given this profile" in shown(summary)
    assert "64 plausible profiles" in " ".join(shown(summary).split())
    summary["plausible"] = None
    text = shown(summary)
    assert "holds in" not in text
    assert "how far the profile may be wrong is not in it" in text


def test_what_the_statistics_warn_of_is_said_once(summary: dict[str, Any]) -> None:
    for comparison in summary["comparisons"]:
        if comparison["statistic"] == "p95":
            comparison |= {"ratio": None, "ci": None, "reason": "p95 is not estimable at n=20; it needs n=72"}
    text = shown(summary)
    assert text.count("total_s p95 ratio: p95 is not estimable at n=20; it needs n=72.") == 1


def test_it_ends_with_digest_paths_and_command_each_on_one_line(summary: dict[str, Any]) -> None:
    assert shown(summary, 80).splitlines()[-4:] == [
        f"digest     {summary['digest']}",
        "written    results/3f2a9c1d0b7e4a55/latency_ecdf.png",
        "written    results/3f2a9c1d0b7e4a55/effects.png",
        f"reproduce  {summary['command']}",
    ]


def test_brackets_and_colons_in_names_are_text(summary: dict[str, Any]) -> None:
    summary["arms"][1]["label"] = "[red]k[/red]=:smile:"
    assert "[red]k[/red]=:smile:" in "".join(shown(summary).split("\n"))


def test_each_scenario_has_its_tables(summary: dict[str, Any]) -> None:
    for arm in [dict(arm, scenario="simple_qa") for arm in summary["arms"]]:
        summary["arms"].append(arm)
    summary["comparisons"] += [dict(one, scenario="simple_qa", ratio=0.31) for one in summary["comparisons"]]
    text = shown(summary)
    assert [line for line in map(str.strip, text.splitlines()) if line.startswith(("What", "Against"))] == [
        "What each arm took · tool_agent",
        "Against the baseline · tool_agent",
        "What each arm took · simple_qa",
        "Against the baseline · simple_qa",
    ]
    assert "Fastest in simple_qa: cache_control=conversation, 0.310" in text


def test_a_study_of_one_arm_without_profile_has_no_second_table(summary: dict[str, Any]) -> None:
    summary |= {"arms": summary["arms"][:1], "comparisons": [], "profile": None, "plausible": None}
    text = shown(summary)
    assert text.startswith("tool_agent · sim world")
    assert "Against" not in text


def test_an_arm_in_which_every_run_failed_has_no_figures(summary: dict[str, Any]) -> None:
    nothing = {"value": None, "lower_bound": None, "max": None, "needs_n": 6}
    for metric in summary["arms"][1]["metrics"].values():
        metric |= {"mean": None, "p50": nothing, "p95": nothing, "p99": nothing}
    summary["arms"][1] |= {"n": 0, "errors": 400}
    row = next(line for line in shown(summary).splitlines() if line.startswith("cache_control=conversation"))
    assert row.replace("n/a: N<6", "-").split()[1:] == ["0", "400", "-", "-", "-", "n/a", "n/a", "n/a", "n/a"]
