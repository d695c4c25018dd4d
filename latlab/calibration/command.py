"""`latlab calibrate fit`: from a recording to a profile, in one call."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from latlab.calibration.estimation import BOUNDS
from latlab.calibration.fit_report import FitReport, error_line
from latlab.calibration.fitted_profile import dataset, fitted_profile, rounded_model
from latlab.calibration.intervals import REPLICATES, fit_ttft
from latlab.calibration.judgement import UnfittedError, judge
from latlab.calibration.priors import OTHERWISE, model_name, prior_for, prior_is_known, prior_of
from latlab.calibration.profile_file import ProfileFileError, profile_text, refuse_unwritable, write_profile
from latlab.calibration.recording import Recording, RecordingError, read_recording
from mockllm.profiles import load

__all__ = ["fit_recording"]


def fit_recording(
    csv: Path, where: Mapping[str, str], out: Path | None, *, like: str | None = None, replicates: int = REPLICATES
) -> FitReport:
    """Fit the rows of `csv` that match `where`, judge the fit on the rows held out, and write the profile to `out`.

    Prices, caching, decoding and connections come from `like` (a profile's name or file), or else from what is known
    of the model that the recording names. `replicates` is the number of bootstrap resamples behind each interval.
    Raises `RecordingError`, `ProfileFileError` and `mockllm.core.profile.ProfileError`, each with one line.
    """
    prior = None if like is None else prior_of(load(like)[0])
    if out is not None:
        if out.resolve() == csv.resolve():
            raise ProfileFileError(f"{out}: is the recording itself; give --out another file")
        refuse_unwritable(out)
    recording = read_recording(csv, where)
    training, held_out = recording.split()
    fit = fit_ttft(training, replicates)
    model = rounded_model(fit.chosen.model)
    if model.uncached_s_per_1k <= BOUNDS["uncached_s_per_1k"][0]:
        raise RecordingError(
            f"{csv}: TTFT does not grow with the uncached part of the prompt in these rows, so they show no cost of a "
            "token; record prompts of more different lengths"
        )
    error = judge(model, held_out)
    chosen = prior or prior_for(model_name(recording.model))
    profile = fitted_profile(fit, model, recording, training, chosen)
    header = _header(_command(csv, where, out, like), recording, len(training), error, like)
    text = profile_text(profile, header)
    if out is not None:
        write_profile(text, out)
    return FitReport(profile, fit, error, text, recording.skipped)


def _header(command: str, recording: Recording, trained: int, error: UnfittedError, like: str | None) -> list[str]:
    name = model_name(recording.model)
    lines = [
        f"Made by: {command}",
        f"Recording: {dataset(recording.source)}; {len(recording)} rows.",
        f"Fitted to {trained} of them; in order of length every third was held out.",
        f"Error {error_line(error)}",
        "Intervals: 95 %, by bootstrap of the fitted rows; of what is assumed or extrapolated, the stated range.",
    ]
    if like is None and not prior_is_known(name):
        lines.append(f"Nothing is known of {name} beside its TTFT: prices, caching, decoding and connections below are")
        lines.append(f"those of {OTHERWISE}, to be edited, or taken from another profile with --like.")
    elif like is not None:
        lines.append(f"Prices, caching, decoding and connections are those of {Path(like).name}.")
    return lines


def _command(csv: Path, where: Mapping[str, str], out: Path | None, like: str | None) -> str:
    words = ["latlab", "calibrate", "fit", _relative(csv)]
    for name, value in where.items():
        words += ["--where", f"{name}={value}"]
    if like is not None:
        words += ["--like", _relative(Path(like))]
    if out is not None:
        words += ["--out", _relative(out)]
    return shlex.join(words)


def _relative(path: Path) -> str:
    """The path as it was given, but for the folders of one machine."""
    return path.name if path.is_absolute() else path.as_posix()
