"""The digest of the demo's study, kept in results/reference/demo.json: every new machine measures it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latlab.harness.executors import processes
from latlab.harness.planning import DEFAULT_SEED, plan_demo
from latlab.harness.runner import carry_out, describe
from latlab.harness.store import Store

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference" / "demo.json"


@pytest.mark.slow
def test_this_machine_measures_what_the_reference_holds(tmp_path: Path) -> None:
    study = plan_demo(DEFAULT_SEED)
    store = Store(tmp_path / "study.db")
    try:
        carry_out(study, store, processes, lambda done, total: None)
        digest = store.digest(describe(study))
    finally:
        store.close()
    assert digest == json.loads(REFERENCE.read_text(encoding="utf-8"))["digest"]
