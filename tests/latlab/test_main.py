"""The command `latlab` as other programs meet it: one object on standard output, one line of error, an exit code."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
import typer
from pydantic import BaseModel, ConfigDict, Field
from studies_for_tests import ROOT, environment, latlab, scenario_file, write_profile

from latlab.__main__ import app, main

METRICS = {"total_s", "perceived_s", "ttft_s", "tokens_per_s", "cache_hit_rate", "cost_usd"}


# The contract


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Known(Strict):
    value: float
    ci: Annotated[list[float], Field(min_length=2, max_length=2)]


class Unknown(Strict):
    value: None
    lower_bound: float | None
    max: float
    needs_n: int


class Unobserved(Strict):
    value: None
    reason: str


class Metric(Strict):
    n: int
    mean: float | None
    p50: Known | Unknown | Unobserved
    p95: Known | Unknown | Unobserved
    p99: Known | Unknown | Unobserved


class Arm(Strict):
    scenario: str
    config: dict[str, bool | str]
    n: int
    errors: int
    metrics: dict[str, Metric]
    label: str
    resolved: dict[str, bool | str]


class Comparison(Strict):
    scenario: str
    baseline: dict[str, bool | str]
    arm: dict[str, bool | str]
    metric: Literal["total_s", "perceived_s", "ttft_s"]
    statistic: Literal["geometric_mean", "p50", "p95", "p99"]
    ratio: float | None
    ci: Annotated[list[float], Field(min_length=2, max_length=2)] | None
    p_adjusted: Annotated[float, Field(ge=0, le=1)] | None
    plausible_share: Annotated[float, Field(ge=0, le=1)] | None
    verdict: Literal["faster", "slower", "no difference shown", "identical"]
    label: str
    pairs: int
    reason: str | None = None
    note: str | None = None
    plausible_ratio: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None


class Assumption(Strict):
    name: str
    value: float
    interval: list[float]
    evidence: Literal["published", "assumed", "extrapolated"]
    source: str
    reason: str | None


class Loops(Strict):
    profiles: int
    runs: int


class Failure(Strict):
    label: str
    plausible: int
    run: int
    error: str


class Study(Strict):
    study: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    path: str
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    world: Literal["sim", "warp"]
    seed: int
    profile: str
    arms: list[Arm]
    comparisons: list[Comparison]
    target: str
    runs: int
    cache_start: Literal["cold", "warm"]
    command: str
    plausible: Loops | None
    assumptions: list[Assumption]
    artifacts: list[str]
    scenario_kind: Literal["scenario", "benchmark", "agent"]
    failures: list[Failure]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return write_profile(tmp_path / "p.toml")


@pytest.fixture(autouse=True)
def _path_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


class Ended(BaseModel):
    code: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ended:
    """The command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["latlab", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Ended(code=ended.value.code, out=captured.out, err=captured.err)


def assert_refused(ended: Ended, *said: str) -> None:
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("latlab: ")
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
    for words in said:
        assert words in ended.err


def in_a_process(*arguments: str | Path, **options: Any) -> Ended:
    done = latlab(*arguments, **options)
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr)


# What is printed


@pytest.mark.slow
def test_a_study_is_printed_as_the_contract_says_and_alike_by_every_executor_and_hash_seed(
    tmp_path: Path, profile: Path
) -> None:
    """One study thrice: the object is valid, and nothing in it depends on who ran it."""
    file = scenario_file(tmp_path / "mine")
    asked = (
        "run",
        file,
        "--profile",
        profile,
        "--runs",
        "8",
        "--seed",
        "7",
        "--json",
        "--vary",
        "streaming=false,true",
    )
    printed = []
    for name, executor, hash_seed in [("a", "inline", "0"), ("b", "processes", "1"), ("c", "inline", "random")]:
        done = in_a_process(
            *asked, "--executor", executor, "--out", tmp_path / name, PYTHONHASHSEED=hash_seed, cwd=tmp_path
        )
        assert (done.code, done.err) == (0, "")
        printed.append(Study.model_validate_json(done.out))
    study = printed[0]
    assert {one.digest for one in printed} == {study.digest}
    assert [one.arms for one in printed] == [study.arms] * 3
    assert isinstance(study.arms[0].metrics["total_s"].p50, Known)
    assert [one.comparisons for one in printed] == [study.comparisons] * 3
    assert {one.study for one in printed} == {study.study}
    assert [arm.n for arm in study.arms] == [8] * 2
    assert [set(arm.metrics) for arm in study.arms] == [METRICS] * 2
    assert [arm.config for arm in study.arms] == [{}, {"streaming": True}]
    shares = [one.plausible_share for one in study.comparisons if one.metric == "total_s"]
    assert any(share is not None for share in shares)


def test_a_study_of_two_runs_says_what_two_runs_cannot(
    tmp_path: Path, profile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = scenario_file(tmp_path / "mine")
    done = call(capsys, "run", file, "--profile", profile, "--runs", "2", "--json", "--out", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    study = Study.model_validate_json(done.out)
    assert isinstance(study.arms[0].metrics["total_s"].p50, Unknown)
    assert isinstance(study.arms[0].metrics["tokens_per_s"].p50, Unobserved)
    assert study.comparisons == []


def test_a_study_in_warp_is_printed_as_the_contract_says(
    tmp_path: Path, profile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = scenario_file(tmp_path / "mine")
    asked = ("run", file, "--profile", profile, "--runs", "2", "--json", "--out", tmp_path / "out")
    digests = set()
    for world in ("sim", "warp"):
        done = call(capsys, *asked, "--world", world)
        assert (done.code, done.err) == (0, "")
        study = Study.model_validate_json(done.out)
        assert study.world == world
        digests.add(study.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("kind", ["scenarios", "benchmarks", "profiles", "toggles"])
def test_lists_are_printed_as_json_and_as_lines_with_the_same_names(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(call(capsys, "list", kind, "--json").out)
    lines = call(capsys, "list", kind).out.splitlines()
    assert [line.split()[0] for line in lines] == [row["name"] for row in rows]


def commands() -> Iterator[tuple[str, ...]]:
    def below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name, one in getattr(command, "commands", {}).items():
            yield from below(one, (*path, name))

    return below(typer.main.get_command(app), ())


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: " ".join(("latlab", *command)))
def test_the_help_of_every_command_shows_an_example(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, *command, "--help")
    assert done.code == 0
    assert "Example: " in done.out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version").out == f"latlab {version('llm-latency-lab')}\n"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Missing argument"),
        (["rnu", "simple_qa"], "rnu"),
        (["run", "simple_qa", "--rnus", "3"], "--rnus"),
        (["run", "simple_qa", "--runs", "0"], "--runs"),
        (["run", "simple_qa", "--runs", "many"], "--runs"),
        (["run", "simple_qa", "--seed", "x"], "--seed"),
        (["list", "everything"], "everything"),
        (["run", "simple_q"], "did you mean simple_qa?"),
        (["run", "nowhere.py"], "nowhere.py: no such file"),
        (["run", "simple_qa", "--set", "steaming=true"], "did you mean streaming?"),
        (["run", "simple_qa", "--set", "streaming=maybe"], "streaming takes"),
        (["run", "simple_qa", "--vary", "streaming=true"], "two or more different values"),
        (["run", "simple_qa", "--world", "sims"], "did you mean sim?"),
        (["run", "simple_qa", "--profile", "claude-sonnet"], "claude-sonnet-5"),
        (["run", "simple_qa", "--profile", "./nowhere.toml"], "nowhere.toml: no such profile"),
        (["run", "simple_qa", "--executor", "ray9"], "there are inline, processes"),
        (["run", "simple_qa", "--runs", "99999999999"], "--runs"),
        (["run", f"{'a' * 300}.py"], ".py: File name too long"),
        (
            ["run", "simple_qa", "--profile", f"{'a' * 300}.toml"],
            ".toml: File name too long",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(call(capsys, *arguments), said)


@pytest.mark.parametrize("text", ["[[", "name = 3\n", "name = 'x'\nmodel = 'x'\n"])
def test_a_malformed_profile_is_one_line_that_names_it(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    assert_refused(call(capsys, "run", "simple_qa", "--profile", path), "broken.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "mine.py: line 1: invalid syntax"),
        ("import not_installed_anywhere\n", "mine.py: cannot be imported: ModuleNotFoundError"),
        ("raise RuntimeError('a\\nb')\n", "RuntimeError: a b"),
        ("x = 1\n", "nothing to run in it"),
        ("async def run(a, b): pass\nfrom latlab import scenario\nscenario('two', summary='')(run)\n", "sim"),
        (
            "from latlab import scenario\n@scenario('one', summary='')\nasync def one(lab): pass\n"
            "@scenario('two', summary='')\nasync def two(lab): pass\n",
            "holds one, two",
        ),
    ],
    ids=["syntax", "import", "exception", "nothing", "agent in sim", "two"],
)
def test_a_file_that_cannot_be_loaded_is_one_line(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert_refused(call(capsys, "run", path, "--world", "sim", "--out", tmp_path / "out"), said)


UNRUNNABLE = {
    "raises": ("raise RuntimeError('a\\nb')", "RuntimeError: a b (at small.py:7)"),
    "deadlocks": ("await asyncio.Event().wait()", "nothing can wake small at small.py:7"),
    "deadlocks with tasks": (
        "async with asyncio.TaskGroup() as group:\n    group.create_task(asyncio.Event().wait())",
        "deadlock at 0.000000 s",
    ),
    "sleeps": ("while True:\n    await asyncio.sleep(900)", "give its loop an end"),
    "spins": ("while True:\n    await asyncio.sleep(0)", "await a sleep in that loop"),
    "unknown tool": (
        "chat = lab.chat()\nchat.user('q')\n"
        "reply = await lab.complete(chat, expect=Script(9, tool_uses=[('look', {})]))\n"
        "await lab.run_tools(reply.tool_calls)",
        "the tool 'look', which no chat of this run has",
    ),
    "two chats": ("lab.chat()\nlab.chat()", "give each a name of its own"),
    "nothing to answer": ("await lab.complete(lab.chat(), expect=Script(9))", "chat 'main' holds nothing to answer"),
    "cancels itself": ("asyncio.current_task().cancel()\nawait asyncio.sleep(1)", "CancelledError (at small.py:8)"),
    "exits": ("raise SystemExit(0)", "SystemExit: 0 (at small.py:7)"),
    "lab elsewhere": (
        "import contextvars\nfrom latlab import BenchmarkConfig\n"
        "contextvars.Context().run(lambda: BenchmarkConfig().lab)",
        "start the benchmark with latlab run FILE",
    ),
}


@pytest.mark.parametrize(
    ("kind", "world"),
    [(kind, world) for kind in UNRUNNABLE for world in ("sim", "warp") if (kind, world) != ("spins", "warp")],
)
def test_a_scenario_that_cannot_be_run_is_one_line(
    tmp_path: Path, profile: Path, kind: str, world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body, said = UNRUNNABLE[kind]
    file = scenario_file(tmp_path / "mine", body)
    asked = ("run", file, "--profile", profile, "--runs", "3", "--world", world, "--out", tmp_path / "out")
    assert_refused(call(capsys, *asked), str(file), said)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["deadlocks", "exits"])
def test_a_scenario_that_cannot_be_run_by_other_processes_is_one_line(tmp_path: Path, profile: Path, kind: str) -> None:
    body, said = UNRUNNABLE[kind]
    file = scenario_file(tmp_path / "mine", body)
    asked = ("run", file, "--profile", profile, "--runs", "400", "--executor", "processes", "--out", tmp_path / "out")
    assert_refused(in_a_process(*asked), said)
    (database,) = (tmp_path / "out").rglob("study.db")
    assert runs_in(database) < 400


@pytest.mark.slow
def test_a_scenario_that_ends_its_loop_late_leaves_nothing_on_standard_error_but_the_line(
    tmp_path: Path, profile: Path
) -> None:
    """What the interpreter says of tasks and coroutines as it ends goes past a test in the same process."""
    file = scenario_file(tmp_path / "mine", UNRUNNABLE["spins"][0])
    asked = ("run", file, "--profile", profile, "--runs", "2", "--world", "warp", "--out", tmp_path / "out")
    assert_refused(in_a_process(*asked), str(file))


def test_an_agent_that_raises_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text("async def run(client, config):\n    raise RuntimeError('oh')\n")
    assert_refused(call(capsys, "run", path, "--out", tmp_path / "out"), "RuntimeError: oh (at mine.py:2)")


@pytest.mark.parametrize("out", ["a file", "a file/below", "/proc/no"])
@pytest.mark.parametrize("fresh", [[], ["--fresh"]], ids=["", "fresh"])
def test_results_that_cannot_be_written_are_one_line(
    tmp_path: Path, profile: Path, out: str, fresh: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").touch()
    file = scenario_file(tmp_path / "mine")
    asked: list[str | Path] = ["run", file, "--profile", profile, "--runs", "2", "--out", tmp_path / out, *fresh]
    assert_refused(call(capsys, *asked), "give another --out")


def test_a_result_that_was_edited_is_one_line(
    tmp_path: Path, profile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = scenario_file(tmp_path / "mine")
    asked = ("run", file, "--profile", profile, "--runs", "2", "--out", tmp_path / "out")
    assert call(capsys, *asked).code == 0
    (database,) = (tmp_path / "out").rglob("study.db")
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE runs SET total_us = total_us + 2 WHERE run = 1")
    connection.close()
    assert_refused(call(capsys, *asked), "--fresh")
    assert call(capsys, *asked, "--fresh").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [["list", "toggles"], ["run", "simple_qa", "--dry-run", "--json"]])
def test_an_output_that_goes_to_a_full_disk_is_one_line(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "latlab", *command],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert_refused(Ended(code=done.returncode, out="", err=done.stderr), "standard output: No space left on device")


# What is interrupted


def runs_in(database: Path) -> int:
    if not database.is_file():
        return 0
    connection = sqlite3.connect(database, timeout=30)
    try:
        (count,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.OperationalError:  # the tables are being made
        return 0
    finally:
        connection.close()
    assert isinstance(count, int)
    return count


MANY = 2500


class Whole(NamedTuple):
    """A study of MANY runs that nobody interrupted, and what was asked for it."""

    asked: tuple[str | Path, ...]
    study: Study


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    file, profile = scenario_file(folder / "mine"), write_profile(folder / "p.toml")
    asked = ("run", file, "--profile", profile, "--runs", str(MANY), "--json")
    done = in_a_process(*asked, "--executor", "inline", "--out", folder / "out")
    return Whole(asked, Study.model_validate_json(done.out))


def stopped_halfway(asked: tuple[str | Path, ...], out: Path, how: signal.Signals, whole_group: bool) -> Ended:
    """Start the study, send `how` once some of its runs are stored, and wait for the end."""
    started = subprocess.Popen(
        [sys.executable, "-m", "latlab", *map(str, asked), "--out", str(out)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while started.poll() is None:
        if any(runs_in(database) for database in out.rglob("study.db")):
            (os.killpg if whole_group else os.kill)(started.pid, how)
            break
        time.sleep(0.02)
    stdout, stderr = started.communicate(timeout=120)
    return Ended(code=started.returncode, out=stdout, err=stderr)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "how"),
    [("inline", signal.SIGINT), ("processes", signal.SIGINT), ("inline", signal.SIGKILL)],
    ids=["inline ctrl-c", "processes ctrl-c", "inline kill -9"],
)
def test_a_study_stopped_halfway_keeps_its_runs_and_ends_as_if_it_had_not_been(
    tmp_path: Path, whole: Whole, executor: str, how: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (*whole.asked, "--executor", executor)
    # A terminal's Ctrl-C reaches every process of the group.
    stopped = stopped_halfway(asked, tmp_path / "out", how, whole_group=True)
    (database,) = (tmp_path / "out").rglob("study.db")
    kept = runs_in(database)
    assert 0 < kept < MANY
    assert stopped.out == ""
    if how == signal.SIGINT:
        assert stopped.code == 130
        told = f"latlab: interrupted after {kept} of {MANY} runs; they are kept, repeat the command to go on\n"
        assert stopped.err == told
    resumed = call(capsys, *whole.asked, "--executor", "inline", "--out", tmp_path / "out")
    assert (resumed.code, resumed.err) == (0, "")
    study = Study.model_validate_json(resumed.out)
    assert (study.digest, study.arms) == (whole.study.digest, whole.study.arms)


def test_ctrl_c_before_any_run_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("latlab.harness.shell.run", interrupted)
    ended = call(capsys, "run", "simple_qa")
    assert (ended.code, ended.out, ended.err.strip()) == (130, "", "latlab: interrupted")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nsys.argv = ['latlab', '--help']\nfrom latlab.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"numpy", "scipy", "matplotlib", "anthropic", "aiohttp", "simpy", "pydantic"} & set(done.stderr.split())


@pytest.mark.parametrize("client", ["raw", "sdk"])
def test_a_study_in_real_time_says_its_speed_its_lateness_and_that_it_was_planned_as_in_sim(
    tmp_path: Path, profile: Path, client: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("run", scenario_file(tmp_path / "mine"), "--profile", profile, "--world", "wire", "--speed", "50")
    asked += ("--client", client, "--set", "streaming=true", "--runs", "2", "--out", tmp_path / "out")
    planned = json.loads(call(capsys, *asked, "--json", "--dry-run").out)
    assert (planned["world"], planned["speed"], planned["client"]) == ("wire", 50.0, client)
    printed = json.loads(call(capsys, *asked, "--json").out)
    assert printed["study"] == planned["study"]
    assert (printed["speed"], printed["client"], printed["arms"][0]["n"]) == (50.0, client, 2)
    assert printed["wire"]["plan"] == {"calls": 4, "equal": 4, "different": []}
    assert (printed["wire"]["sdk_adds_s"] is not None) is (client == "sdk")
    manifest = json.loads((Path(printed["path"]) / "manifest.json").read_text())
    assert (manifest["speed"], manifest["client"]) == (50.0, client)
    report = " ".join(call(capsys, *asked).out.split())  # finished, so nothing is run again
    assert printed["digest"] in report
    assert "wire world · 50 times as fast" in report
    assert "Sped up: time ran 50 times as fast" in report
    assert "Plan: all 4 calls were planned as in sim" in report
