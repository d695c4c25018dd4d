"""What every test shares: how far Hypothesis searches, and where the real recordings lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# No deadline: tests never assert on wall time. CI repeats the same examples, so that red there means
# that the change is at fault; a developer's machine goes on looking for new ones.
settings.register_profile("developer", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded traffic: $LATLAB_RECORDINGS, or shared/data beside the repository."""
    folder = Path(os.environ.get("LATLAB_RECORDINGS") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: set LATLAB_RECORDINGS to the folder that holds them")
    return folder
