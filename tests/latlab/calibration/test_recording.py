from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latlab.calibration.recording import Recording, RecordingError, read_recording, strata

HEADER = "model,input_tokens,cached_tokens,ttft_s"
GOOD = [f"A,{length},50,{length / 1000}" for length in (1000, 2000, 4000) for _ in range(10)]


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def refusal(path: Path, **where: str) -> str:
    with pytest.raises(RecordingError) as refused:
        read_recording(path, where)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_cached_tokens_are_taken_out_of_the_prompt(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "r.csv", *GOOD), {"model": "A"})
    assert len(recording) == 30
    assert recording.uncached_k[0] == pytest.approx(0.95)
    assert recording.cached_k[0] == pytest.approx(0.05)


def test_a_compressed_recording_reads_as_the_plain_one(tmp_path: Path) -> None:
    plain = write(tmp_path / "r.csv", *GOOD)
    packed = tmp_path / "r.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert np.array_equal(read_recording(packed, {}).ttft_s, read_recording(plain, {}).ttft_s)


def test_rows_with_an_unknown_time_are_left_out_and_counted(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "r.csv", *GOOD, "A,1000,0,", "A,,0,1.0"), {})
    assert (len(recording), recording.skipped) == (30, 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("A,many,0,1.0", ["line 32", "input_tokens", "'many'"]),
        ("A,1000,0,fast", ["line 32", "ttft_s", "'fast'"]),
        ("A,1000,0,-1", ["line 32", "ttft_s"]),
        ("A,1000,0,nan", ["line 32", "ttft_s"]),
        ("A,1000,0,inf", ["line 32", "ttft_s"]),
        ("A,1_000,0,1.0", ["line 32", "input_tokens"]),
        ("A,1000,0,\uff11.5", ["line 32", "ttft_s"]),
        ("A,1000,0,0", ["line 32", "ttft_s", "blank"]),
        ("A,1000,2000,1.0", ["line 32", "cached_tokens", "input_tokens"]),
        ("A,1000,0", ["line 32", "4 fields"]),
        ("A,1000,0,1.0,surplus", ["line 32", "4 fields"]),
        ('A,1000,0,"1.0', ["not CSV"]),
    ],
)
def test_a_malformed_row_is_named_by_line_and_field(tmp_path: Path, line: str, words: list[str]) -> None:
    message = refusal(write(tmp_path / "r.csv", *GOOD, line))
    assert "r.csv" in message
    for word in words:
        assert word in message


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    assert "no column ttft_s" in refusal(write(tmp_path / "r.csv", "A,1000", header="model,input_tokens"))
    assert "no column input_tokens" in refusal(write(tmp_path / "r.csv", header=""))


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "A,1000,1.0,2.0", header="model,input_tokens,ttft_s,ttft_s")
    assert "line 1: the column ttft_s is there twice" in refusal(path)


def test_what_is_no_text_and_what_is_no_file_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refusal(binary)
    cut = tmp_path / "c.csv.gz"
    cut.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    assert "cannot be read" in refusal(cut)
    assert "no such recording" in refusal(tmp_path / "absent.csv")
    assert "cannot be read" in refusal(tmp_path)


def test_a_value_that_no_row_has_is_answered_with_those_present(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", *GOOD, "Claude Sonnet 5,1000,0,1.0")
    message = refusal(path, model="claude sonnet 5")
    assert "'A', 'Claude Sonnet 5'" in message
    assert "did you mean 'model=Claude Sonnet 5'" in message
    assert "no such column" in refusal(path, colour="red")


def test_rows_of_several_models_need_a_choice(tmp_path: Path) -> None:
    assert "--where 'model=A'" in refusal(write(tmp_path / "r.csv", *GOOD, "B,1000,0,1.0"))


def test_too_few_rows_or_lengths_say_how_many_are_needed(tmp_path: Path) -> None:
    assert "24 are needed" in refusal(write(tmp_path / "r.csv", *GOOD[:23]))
    assert "3 are needed" in refusal(write(tmp_path / "r.csv", *GOOD[:20], *GOOD[:10]))
    assert "24 are needed" in refusal(write(tmp_path / "r.csv", *["A,1000,0,"] * 30))


def test_every_third_row_of_each_length_is_held_out(tmp_path: Path) -> None:
    training, held_out = read_recording(write(tmp_path / "r.csv", *GOOD), {}).split()
    assert (len(training), len(held_out)) == (20, 10)
    assert sorted([*training.ttft_s, *held_out.ttft_s]) == sorted(float(line.split(",")[3]) for line in GOOD)
    assert {round(float(length), 2) for length in held_out.uncached_k} == {0.95, 1.95, 3.95}


def test_groups_hold_like_lengths_and_enough_rows(record: Callable[..., Recording]) -> None:
    lengths = np.array([1.0, 1.05, 5.0, 1.02, 1.01, 5.2, 5.1, 5.0, 9.0])
    assert [sorted(group.tolist()) for group in strata(lengths, 4)] == [[0, 1, 3, 4], [2, 5, 6, 7, 8]]
    assert len(strata(lengths, 1)) == 3
