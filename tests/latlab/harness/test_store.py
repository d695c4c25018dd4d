from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies_for_tests import environment

from latlab.client import CallRecord
from latlab.harness.store import RunKey, Store, StoreError
from latlab.worlds.run import Outcome, RunRecord
from latlab.worlds.served import ClientLoad, ServedCall

WHAT = "a scenario and its arms"
IN_MEMORY = Path(":memory:")
figures = st.integers(0, 2**62)
keys = st.builds(RunKey, st.integers(0, 2), st.integers(0, 2), st.integers(0, 9))
records = st.builds(RunRecord, *[figures] * len(RunRecord._fields))
call_names = st.tuples(st.sampled_from(["main/turn-0", "main/turn-1", "other/turn-0"]), st.integers(0, 1))
calls = st.lists(call_names, unique=True).flatmap(
    lambda names: st.tuples(*[st.builds(CallRecord, *map(st.just, name), *[figures] * 13) for name in names])
)
servings = st.lists(call_names, unique=True).flatmap(
    lambda names: st.tuples(
        *[st.builds(ServedCall, *map(st.just, name), *[figures] * 11, st.none() | figures) for name in names]
    )
)
loads = st.builds(ClientLoad, figures, figures, st.floats(0, 100))
never = st.just(False)
finished = st.builds(Outcome, records, calls, st.none(), never, servings, st.none() | loads)
failed = st.builds(Outcome, st.none(), st.just(()), st.text(min_size=1, max_size=30), never, st.just(()), st.none())
studies = st.dictionaries(keys, finished | failed, max_size=8)


def outcome(total_us: int = 1_000_000, calls: int = 1) -> Outcome:
    run = RunRecord(total_us, total_us, calls, 0, 10, 0, 1, 5)
    call = CallRecord("main/turn-0", 0, 0, 10, 20, 30, total_us, 10, 0, 0, 0, 5, 1, 0, 5)
    return Outcome(run, tuple([call._replace(path=f"main/turn-{n}") for n in range(calls)]), None)


@given(studies, st.data())
def test_any_order_and_any_portions_of_the_same_outcomes_leave_the_same_content(
    study: dict[RunKey, Outcome], data: st.DataObject
) -> None:
    whole, pieces = Store(IN_MEMORY), Store(IN_MEMORY)
    whole.add(study.items())
    order = data.draw(st.permutations(list(study.items())))
    while order:
        size = data.draw(st.integers(1, len(order)))
        pieces.add(order[:size])
        order = order[size:]
    try:
        assert list(pieces.runs()) == list(whole.runs())
        assert list(pieces.calls()) == list(whole.calls())
        assert list(pieces.served()) == list(whole.served())
        assert list(pieces.loads()) == list(whole.loads())
        assert pieces.digest(WHAT) == whole.digest(WHAT)
    finally:
        whole.close()
        pieces.close()


@settings(max_examples=15)  # each waits for a disk
@given(studies)
def test_what_was_added_is_read_back_from_the_file(study: dict[RunKey, Outcome]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        store = Store(path)
        store.add(study.items())
        store.close()
        store = Store(path)
        done, runs, calls = store.done(), list(store.runs()), list(store.calls())
        served, loads = list(store.served()), list(store.loads())
        store.close()
    assert done == set(study)
    assert {run.key: (run.error, run.figures) for run in runs} == {
        key: (one.error, one.run) for key, one in study.items()
    }
    kept = [(key.arm, key.run, call) for key, one in study.items() if not key.plausible for call in one.calls]
    assert calls == sorted(kept)
    fitted = {key: one for key, one in sorted(study.items()) if not key.plausible}
    accounts = [(key.arm, key.run, call) for key, one in fitted.items() for call in one.served]
    assert served == sorted(accounts, key=lambda one: (*one[:2], *one[2][:2]))
    assert loads == [one.load for one in fitted.values() if one.load is not None]


def test_microseconds_stay_whole_however_many_they_are() -> None:
    store = Store(IN_MEMORY)
    store.add([(RunKey(0, 0, 0), outcome()._replace(load=ClientLoad(2**53 + 1, 2**62 + 1, 0.5)))])
    assert list(store.loads()) == [ClientLoad(2**53 + 1, 2**62 + 1, 0.5)]
    store.close()


@given(st.dictionaries(keys, finished, min_size=1, max_size=6), st.data())
def test_the_digest_changes_with_any_figure(study: dict[RunKey, Outcome], data: st.DataObject) -> None:
    store = Store(IN_MEMORY)
    store.add(study.items())
    before = store.digest(WHAT)
    key = data.draw(st.sampled_from(sorted(study)))
    field = data.draw(st.sampled_from(RunRecord._fields))
    run = study[key].run
    assert run is not None
    store.add([(key, study[key]._replace(run=run._replace(**{field: getattr(run, field) ^ 2})))])
    try:
        assert store.digest(WHAT) != before
    finally:
        store.close()


def test_what_a_server_and_a_client_say_of_themselves_is_kept_beside_the_figures_and_replaced_with_them() -> None:
    store = Store(IN_MEMORY)
    served = ServedCall("main/turn-0", 0, 1, 5, 10, 20, 10, 0, 0, 0, 5, 1, 2, None)
    key = RunKey(0, 0, 0)
    store.add([(key, outcome())])
    before = store.digest(WHAT)
    store.add([(key, outcome()._replace(served=(served,), load=ClientLoad(90, 2000, 0.25)))])
    assert store.digest(WHAT) == before
    other = served._replace(path="main/turn-1", sdk_us=700)
    store.add([(key, outcome()._replace(served=(other,), load=ClientLoad(91, 2000, 0.5)))])
    assert list(store.served()) == [(0, 0, other)]
    assert list(store.loads()) == [ClientLoad(91, 2000, 0.5)]
    store.close()


@pytest.mark.parametrize("table", ["runs", "calls"])
def test_an_edit_of_two_microseconds_in_one_row_changes_the_digest(tmp_path: Path, table: str) -> None:
    store = Store(tmp_path / "study.db")
    store.add([(RunKey(0, 0, n), outcome(1_000_000 + n)) for n in range(50)])
    before = store.digest(WHAT)
    other = sqlite3.connect(tmp_path / "study.db")
    with other:
        other.execute(f"UPDATE {table} SET total_us = total_us + 2 WHERE run = 31")
    other.close()
    assert store.digest(WHAT) != before
    store.close()


def test_the_digest_covers_what_the_figures_are_of(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    assert store.digest("one scenario") != store.digest("another scenario")
    store.close()


def test_the_digest_covers_that_a_run_failed_and_not_the_words_of_its_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    nothing = store.digest(WHAT)
    store.add([(RunKey(0, 0, 0), Outcome(None, (), "no such file, asked at 12:31"))])
    failed = store.digest(WHAT)
    store.add([(RunKey(0, 0, 0), Outcome(None, (), "no such file, asked at 12:32"))])
    assert store.digest(WHAT) == failed != nothing
    store.add([(RunKey(0, 0, 0), Outcome(RunRecord(*[0] * 8), (), None))])
    assert store.digest(WHAT) not in (failed, nothing)
    store.close()


def test_a_run_that_is_added_again_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store.add([(RunKey(0, 0, 0), outcome(5))])
    store.add([(RunKey(0, 0, 0), outcome(7))])
    (run,) = store.runs()
    ((_, _, call),) = store.calls()
    assert run.figures is not None
    assert (run.figures.total_us, call.total_us) == (7, 7)
    store.close()


def test_a_run_that_is_replaced_leaves_none_of_its_calls_behind(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store.add([(RunKey(0, 0, 0), outcome(5, calls=3))])
    store.add([(RunKey(0, 0, 0), outcome(5, calls=1))])
    assert [call.path for _, _, call in store.calls()] == ["main/turn-0"]
    store.close()


def test_a_batch_that_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store.add([(RunKey(0, 0, 0), outcome())])
    wrong = Outcome(RunRecord(*["x"] * len(RunRecord._fields)), (), None)  # type: ignore[arg-type]  # which must fail
    with pytest.raises(StoreError):
        store.add([(RunKey(0, 0, 1), outcome()), (RunKey(0, 0, 2), wrong)])
    assert store.done() == {RunKey(0, 0, 0)}
    store.close()


def test_a_full_disk_is_one_line_and_keeps_what_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store.add([(RunKey(0, 0, 0), outcome())])
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full") as error:
        store.add([(RunKey(0, 0, n), outcome(calls=20)) for n in range(1, 100)])
    assert "\n" not in str(error.value)
    assert store.done() == {RunKey(0, 0, 0)}
    store._connection.execute(f"PRAGMA max_page_count = {pages * 100}")
    store.add([(RunKey(0, 0, 1), outcome())])
    assert store.done() == {RunKey(0, 0, 0), RunKey(0, 0, 1)}
    store.close()


def _allow_little() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_a_file_that_may_not_grow_is_one_line_and_keeps_what_was_written(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from latlab.harness.store import RunKey, Store, StoreError\n"
        "from latlab.worlds.run import Outcome, RunRecord\n"
        "store = Store(Path(sys.argv[1]))\n"
        "try:\n"
        "    for n in range(100_000):\n"
        "        keys = [RunKey(0, 0, n * 100 + k) for k in range(100)]\n"
        "        store.add([(key, Outcome(RunRecord(*range(8)), (), None)) for key in keys])\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "study.db")],
        env=environment(),
        preexec_fn=_allow_little,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{tmp_path / 'study.db'}: ")
    assert done.stdout.count("\n") == 1
    store = Store(tmp_path / "study.db")
    kept = store.done()
    store.close()
    assert kept
    assert len(kept) % 100 == 0


@pytest.mark.parametrize("place", ["a file/study/study.db", "/proc/study/study.db"])
def test_a_folder_that_cannot_be_made_is_one_line_with_what_to_do(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").write_text("in the way")
    with pytest.raises(StoreError, match="give another --out") as error:
        Store(tmp_path / place)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_text("dear diary, " * 200)
    with pytest.raises(StoreError, match=r"study\.db: not a study's file"):
        Store(path)


def test_a_database_cut_in_the_middle_is_said_to_be_no_study(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    store = Store(path)
    store.add([(RunKey(0, 0, n), outcome(calls=5)) for n in range(500)])
    store.close()
    os.truncate(path, path.stat().st_size // 3)
    with pytest.raises(StoreError, match="not a study's file"):
        list(Store(path).calls())


def test_a_study_that_another_process_writes_is_said_to_be_in_use(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store._connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="in use by another run"):
        store.add([(RunKey(0, 0, 0), outcome())])
    other.execute("ROLLBACK")
    other.close()
    store.close()


def test_rows_that_only_the_write_ahead_log_holds_are_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store.add([(RunKey(0, 0, 0), outcome())])
    # What a killed process leaves: the log was never folded into the file.
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("study.db", "study.db-wal"):
        shutil.copy(tmp_path / name, copy / name)
    store.close()
    again = Store(copy / "study.db")
    assert again.done() == {RunKey(0, 0, 0)}
    again.close()


def test_a_closed_study_is_one_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store.add([(RunKey(0, 0, 0), outcome())])
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]
