from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from latlab import LatlabError
from latlab.harness.reporter.artifact import UnwritableArtifactError, write_bytes


def test_it_replaces_what_was_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.png"
    write_bytes(path, b"old, and longer")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_file_and_no_part_of_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.png"
    write_bytes(path, b"old")

    def fill(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(UnwritableArtifactError, match=r"report\.png: No space left on device; free some space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_files_place_is_told_in_one_line_and_left(tmp_path: Path) -> None:
    path = tmp_path / "report.png"
    path.mkdir()
    with pytest.raises(UnwritableArtifactError, match=r"^cannot write .+report\.png: Is a directory; .+$") as caught:
        write_bytes(path, b"new")
    assert isinstance(caught.value, LatlabError)
    assert list(tmp_path.iterdir()) == [path]


def test_other_users_may_read_a_report_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_bytes(tmp_path / "report", b"")
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "usual").stat().st_mode
