"""A pytest plugin: nothing is tested unless both packages were imported from the copy in which this file lies."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

__all__ = ["pytest_collection_finish"]


def pytest_collection_finish() -> None:
    root = Path(__file__).resolve().parents[2]
    for name in ("mockllm", "latlab"):
        file = import_module(name).__file__
        if file is None or root not in Path(file).resolve().parents:
            raise pytest.UsageError(f"{name} was imported from {file}, not from the copy in {root}")
