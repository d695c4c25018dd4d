"""What a fit found, for a program (`to_json`) and for a person (`render`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mockllm.core.profile import Profile

if TYPE_CHECKING:
    from rich.console import Console

    from latlab.calibration.intervals import Fit
    from latlab.calibration.judgement import UnfittedError

__all__ = ["FitReport", "error_line"]


@dataclass(frozen=True, slots=True)
class FitReport:
    """The fitted profile, the forms that were compared, the error on unfitted rows, and the file's text.

    `skipped` rows had no TTFT or no length.
    """

    profile: Profile
    fit: Fit
    unfitted_error: UnfittedError
    text: str
    skipped: int

    def to_json(self) -> dict[str, Any]:
        """The object that `latlab calibrate fit --json` prints."""
        error = self.unfitted_error
        return {
            "parameters": [
                {
                    "name": name,
                    "value": parameter.value,
                    "interval": list(parameter.interval) if parameter.interval else None,
                    "evidence": parameter.evidence,
                    "n": parameter.n,
                }
                for name, parameter in self.profile.parameters()
            ],
            "unfitted_error": {
                "p50": error.p50,
                "p95": error.p95,
                "noise_p50": error.noise_p50,
                "noise_p95": error.noise_p95,
            },
        }

    def render(self, console: Console) -> None:
        """Print every parameter with what it rests on, the forms by AIC, and the error on rows not fitted."""
        from rich.table import Table
        from rich.text import Text

        console.print(Text(self.profile.summary, style="bold"))
        table = Table(box=None, pad_edge=False)
        for heading in ("parameter", "value", "interval", "evidence", "n"):
            table.add_column(heading, justify="left" if heading in ("parameter", "evidence") else "right", no_wrap=True)
        for name, parameter in self.profile.parameters():
            interval = "" if parameter.interval is None else "{:g} to {:g}".format(*parameter.interval)
            table.add_row(
                name,
                f"{parameter.value:g}",
                interval,
                parameter.evidence,
                "" if parameter.n is None else str(parameter.n),
            )
        console.print(table)
        console.print()
        console.print(Text("What each rests on:"))
        for name, parameter in self.profile.parameters():
            console.print(Text(f"  {name}: " + "; ".join(filter(None, (parameter.source, parameter.reason)))))
        console.print()
        console.print(self._forms())
        for line in self._notes():
            console.print(Text(line))

    def _forms(self) -> Any:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for heading in ("form", "parameters", "AIC", ""):
            table.add_column(heading, justify="right" if heading in ("parameters", "AIC") else "left", no_wrap=True)
        for form in self.fit.forms:
            refused = "quadratic term not told from zero" if form is self.fit.refused else ""
            mark = "chosen" if form is self.fit.chosen else refused
            table.add_row(str(form.form), str(len(form.form.names)), f"{form.aic:.1f}", mark)
        return table

    def _notes(self) -> list[str]:
        lines = ["The simplest form within 2 of the least AIC is chosen; its error " + error_line(self.unfitted_error)]
        if self.skipped:
            lines.append(f"{self.skipped} rows without a TTFT or a length were left out.")
        return lines


def error_line(error: UnfittedError) -> str:
    """The error on unfitted rows beside what chance alone gives, in words."""
    return (
        f"on the {error.n} rows that were not fitted: p50 {_percent(error.p50)} (chance alone: up to "
        f"{_percent(error.noise_p50)}), p95 {_percent(error.p95)} (up to {_percent(error.noise_p95)})."
    )


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"
