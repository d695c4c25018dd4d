"""Putting a finished report where the user wants it: whole, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from latlab import LatlabError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UnwritableArtifactError", "write_bytes"]


class UnwritableArtifactError(LatlabError):
    """A report could not be written: names the file, the system's reason, and what to do."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, making its folder; readers never see half of a file.

    Raises:
        UnwritableArtifactError: the folder or file cannot be written, or the disk is full; no part is left.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):  # the first failure is the one to tell
                unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = f"{path.parent} is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise UnwritableArtifactError(
            f"cannot write {path}: {reason}; free some space or choose another path in a folder that you may write to"
        ) from error
