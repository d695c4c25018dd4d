"""Each rule that makes a study right and reproducible is broken on purpose, and the test that guards it turns red.

A rule whose guard stays green here is a rule that nobody holds. Three breaks of the kind change no figure at all, each
by a second rule, and so are no mutations by themselves:
- a query without its ORDER BY: SQLite keeps a table WITHOUT ROWID in the order of its key;
- one relative sleep to a drawn duration: virtual loops round every timer to a whole microsecond;
- admission in any order within an instant: an uncoupled cache does not show it, so its guard looks at the order itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutations.mutant import Mutation, copy_project, mutate, red_by, run_guards
from mutations.provenance import pytest_collection_finish
from mutations.rules_of_figures import FIGURES
from mutations.rules_of_order import ORDER

import latlab

pytestmark = pytest.mark.mutation

MUTATIONS = ORDER + FIGURES

# A rule is broken where an assertion fails, not where the code no longer runs.
_ASSERTED = ("assert ", "AssertionError", "Failed: DID NOT RAISE ")


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The project once more, thrown away afterwards: pytest would keep every one of them for three sessions."""
    yield copy_project(tmp_path / "copy")
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("mutation", [pytest.param(mutation, id=mutation.name) for mutation in MUTATIONS])
def test_a_broken_rule_turns_its_guard_red(mutation: Mutation, copy: Path) -> None:
    mutate(copy, mutation)
    error = red_by(run_guards(copy, [mutation.guard]), mutation.guard)
    assert error.startswith(_ASSERTED), f"{mutation.guard} is red by {error}"


def test_every_guard_is_green_where_nothing_is_broken(copy: Path) -> None:
    guards = sorted({mutation.guard for mutation in MUTATIONS})
    result = run_guards(copy, guards)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(guards)} passed" in result.stdout


def test_a_package_from_outside_the_copy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latlab, "__file__", "/somewhere/else/latlab/__init__.py")
    with pytest.raises(pytest.UsageError, match="latlab was imported from /somewhere/else"):
        pytest_collection_finish()


def test_a_mutation_whose_text_is_gone_fails_by_name(tmp_path: Path) -> None:
    gone = Mutation("gone", "", "mutant.py", (("no longer there", ""),), "")
    (tmp_path / gone.file).write_text("there\n")
    with pytest.raises(AssertionError, match="holds 0 times, not once, what 'gone' replaces"):
        mutate(tmp_path, gone)
