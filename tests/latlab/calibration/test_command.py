from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from latlab.calibration.command import fit_recording
from latlab.calibration.fit_report import FitReport
from latlab.calibration.profile_file import ProfileFileError
from latlab.calibration.recording import Recording, RecordingError
from latlab.calibration.ttft_model import TtftModel
from mockllm import profiles
from mockllm.core.profile import ProfileError, parse_profile

Recorder = Callable[..., Recording]
ROOT = Path(__file__).resolve().parents[3]
ENDS = re.compile(r"\[[-+.e0-9]+, [-+.e0-9]+\]")
CSV = "epoch_ttft_scaling.csv"
FITTED = {"claude-sonnet-5": "Claude Sonnet 5", "claude-opus-5": "Claude Opus 5", "gpt-5.6-terra": "GPT-5.6 Terra"}


@pytest.fixture(scope="module", params=FITTED)
def refitted(
    request: pytest.FixtureRequest, recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, FitReport, bytes]:
    """A shipped profile made again from the recording, by the command in its header."""
    if not (recordings / CSV).is_file():
        pytest.skip(f"no {CSV} in {recordings}")
    folder = tmp_path_factory.mktemp("refitted")
    (folder / CSV).write_bytes((recordings / CSV).read_bytes())
    (folder / "profiles").mkdir()
    out = Path("profiles", f"{request.param}.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        report = fit_recording(Path(CSV), {"model": FITTED[request.param]}, out)
        return request.param, report, out.read_bytes()


@pytest.mark.slow
def test_a_shipped_profile_is_what_the_command_in_its_header_writes(
    refitted: tuple[str, FitReport, bytes],
) -> None:
    name, report, written = refitted
    shipped = (ROOT / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    # All but the ends of bootstrapped intervals, to the byte. Of 200 resamples one or two have a likelihood with two
    # summits, and there the last digit of a processor's logarithm may decide between them.
    assert ENDS.sub("[…]", written.decode()) == ENDS.sub("[…]", shipped)
    for (path, ours), (_, theirs) in zip(
        report.profile.parameters(), parse_profile(shipped, name).parameters(), strict=True
    ):
        if ours.interval is None or theirs.interval is None:
            assert ours.interval is theirs.interval
            continue
        width = theirs.interval[1] - theirs.interval[0]
        assert ours.interval == pytest.approx(theirs.interval, abs=0.25 * width), path


@pytest.mark.slow
def test_what_is_shipped_is_found_as_others_found_it(refitted: tuple[str, FitReport, bytes]) -> None:
    name, report, _ = refitted
    found = {parameter["name"]: parameter for parameter in report.to_json()["parameters"]}
    assert found["ttft.intercept_s"]["evidence"] == "extrapolated"
    shortest = "47,947" if name == "gpt-5.6-terra" else "47,942"
    assert f"no row has fewer than {shortest} uncached tokens" in report.profile.ttft.intercept_s.reason
    assert found["ttft.cached_s_per_1k"]["evidence"] == "assumed"
    if name == "claude-sonnet-5":
        low, high = found["ttft.uncached_s_per_1k"]["interval"]
        assert low <= 0.0128 <= high
        assert (high - low) / 2 <= 0.0005
        assert report.unfitted_error.p50 <= report.unfitted_error.noise_p50
        assert report.unfitted_error.p95 <= report.unfitted_error.noise_p95


def test_a_user_s_recording_becomes_a_profile(
    record: Recorder,
    spiky: TtftModel,
    write_csv: Callable[[Recording], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_csv(record(spiky, 60))
    monkeypatch.chdir(tmp_path)
    report = fit_recording(Path("recording.csv"), {"weather": "sunny"}, Path("own.toml"), replicates=4)
    text = Path("own.toml").read_text(encoding="utf-8")
    assert text == report.text
    assert parse_profile(text, "own.toml") == report.profile
    assert text.startswith("# Made by: latlab calibrate fit recording.csv --where weather=sunny --out own.toml\n")
    assert "prices, caching, decoding" in text
    assert profiles.load("own.toml")[0].name == "test-model"
    assert report.profile.ttft.uncached_s_per_1k.value == pytest.approx(0.012, rel=0.1)


def test_another_profile_lends_what_the_recording_lacks(
    record: Recorder, spiky: TtftModel, write_csv: Callable[[Recording], Path], tmp_path: Path
) -> None:
    csv = write_csv(record(spiky, 30))
    report = fit_recording(csv, {}, tmp_path / "own.toml", like="claude-opus-5", replicates=2)
    assert report.profile.price == profiles.load("claude-opus-5")[0].price
    assert str(tmp_path) not in report.text
    with pytest.raises(ProfileError, match="claude-opus-5"):
        fit_recording(csv, {}, None, like="claude-opus")


def test_a_place_that_cannot_be_written_is_refused_before_the_recording_is_read(tmp_path: Path) -> None:
    with pytest.raises(ProfileFileError, match="no folder"):
        fit_recording(tmp_path / "absent.csv", {}, tmp_path / "absent" / "p.toml")


def test_a_recording_is_not_written_over(tmp_path: Path) -> None:
    csv = tmp_path / "r.csv"
    csv.write_text("input_tokens,ttft_s\n")
    with pytest.raises(ProfileFileError, match="is the recording itself"):
        fit_recording(csv, {}, tmp_path / "." / "r.csv")
    assert csv.read_text() == "input_tokens,ttft_s\n"


def test_a_recording_in_which_longer_prompts_are_no_slower_shows_no_cost_of_a_token(
    record: Recorder, spiky: TtftModel, write_csv: Callable[[Recording], Path]
) -> None:
    recording = record(spiky, 30)
    falling = write_csv(replace(recording, ttft_s=recording.ttft_s[::-1].copy()))
    with pytest.raises(RecordingError, match="TTFT does not grow"):
        fit_recording(falling, {}, None, replicates=2)
