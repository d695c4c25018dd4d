from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar
from urllib.request import Request

import pytest

import mockllm.__main__
from mockllm.__main__ import main
from mockllm.profiles import shipped

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of `mockllm` with `words`."""
    monkeypatch.setattr(sys, "argv", ["mockllm", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("words", [[], ["serve"], ["record"], ["profiles"]])
def test_every_help_has_an_example(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words, "--help") == 0
    assert f"Example: mockllm {words[0] if words else ''}" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"mockllm {version('llm-latency-lab')}\n"


def test_profiles_are_listed_and_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "profiles") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(shipped())
    assert run(monkeypatch, "profiles", shipped()[0]) == 0
    assert "ttft.intercept_s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["serve", "--profile", "claude-nobody"], "claude-nobody"),
        (["serve", "--host", "0.0.0.0"], "--allow-remote"),
        (["record", "--upstream", "https://api.example.com", "--out", "x"], "--allow-remote-upstream"),
        (["record", "--upstream", "http://127.0.0.1:1", "--out", "no/such/x"], "no/such/x"),
        (["record", "--out", "x"], "see mockllm record --help"),
        (["serve", "--replay", "no/such/x.jsonl"], "make one with `mockllm record`"),
        (["serve", "--replay", "pyproject.toml"], "pyproject.toml:1: "),
        (["serve", "--replay-timing", "mine"], "see mockllm serve --help"),
        (["profiles", "no/such/file.toml"], "no/such/file.toml"),
        (["serve", "--port", "99999"], "see mockllm serve --help"),
        (["serve", "--fault", "fire=0.1"], "--fault fire=0.1: write KIND=RATE"),
        (["serve", "--limit", "tokens=5"], "--limit tokens=5: write requests=NUMBER"),
        (["serve", "--replay", "x.jsonl", "--fault", "cut=0.1"], "without --fault and --limit"),
        (["serve", "--replay-timing", "profile"], "name a recording with --replay"),
        (["serve", "--speed", "0"], "see mockllm serve --help"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[str], part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("mockllm: ")
    assert part in told.err
    assert len(told.err.splitlines()) == 1


def test_a_taken_port_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(monkeypatch, "serve", "--port", str(port)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"mockllm: cannot listen on 127.0.0.1 port {port}: ")
    assert len(told.err.splitlines()) == 1


def test_serve_says_where_it_is_on_one_line_and_ctrl_c_ends_it_cleanly() -> None:
    command = [sys.executable, "-m", "mockllm", "serve", "--port", "0", "--profile", shipped()[0]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        ready = json.loads(serving.stdout.readline())
        host, _, port = ready["url"].removeprefix("http://").partition(":")
        socket.create_connection((host, int(port))).close()
        serving.send_signal(signal.SIGINT)
        out, err = serving.communicate()
    assert ready == {"url": f"http://127.0.0.1:{port}", "profile": shipped()[0]}
    assert (serving.returncode, out, err) == (0, "", "")


def test_a_server_that_ends_with_its_standard_input_does_so_whatever_was_written_to_it() -> None:
    command = [sys.executable, "-m", "mockllm", "serve", "--port", "0", "--until-stdin-ends"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as serving:
        assert serving.stdout is not None
        assert json.loads(serving.stdout.readline())["url"]
        assert serving.communicate("a line that nobody reads\n", timeout=60) == ("", "")
    assert serving.returncode == 0


def test_a_standard_input_that_never_ends_is_one_line_and_exit_code_2() -> None:
    command = [sys.executable, "-m", "mockllm", "serve", "--port", "0", "--until-stdin-ends"]
    with Path(__file__).open() as file:
        told = subprocess.run(command, cwd=ROOT, stdin=file, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "mockllm: --until-stdin-ends: standard input is no pipe, so it never ends; give it one\n"


def test_serve_over_tls_names_the_authority_and_takes_it_away_again() -> None:
    command = [sys.executable, "-m", "mockllm", "serve", "--port", "0", "--tls", "--log-requests"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        ready = json.loads(serving.stdout.readline())
        trusting = ssl.create_default_context(cafile=ready["ca"])
        with urllib.request.urlopen(f"{ready['url']}/health", context=trusting) as answer:
            assert json.load(answer) == {"status": "ok"}
        serving.send_signal(signal.SIGTERM)
        assert serving.communicate() == ("", "")
    assert ready["url"].startswith("https://127.0.0.1:")
    assert not Path(ready["ca"]).exists()


def test_what_was_recorded_is_served_again(tmp_path: Path) -> None:
    out = tmp_path / "an answer.jsonl"

    def run(words: list[str], talk: Callable[[dict[str, str]], T]) -> tuple[T, int, str]:
        command = [sys.executable, "-m", "mockllm", *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                said = talk(json.loads(process.stdout.readline()))
            finally:
                process.send_signal(signal.SIGINT)
            _, told = process.communicate()
        return said, process.returncode, told

    def ask(ready: dict[str, str]) -> bytes:
        headers = {"x-api-key": "sk-ant-0123456789abcdef"}
        with urllib.request.urlopen(Request(f"{ready['url']}/v1/models?limit=5", headers=headers)) as answer:
            return bytes(answer.read())

    def record(ready: dict[str, str]) -> tuple[bytes, int, str]:
        return run(["record", "--upstream", ready["url"], "--out", str(out)], ask)

    serve = ["serve", "--port", "0", "--profile", shipped()[0]]
    (models, code, told), *_ = run(serve, record)
    assert (code, told) == (0, f"mockllm: 1 recorded in {out}; to answer from it: mockllm serve --replay '{out}'\n")
    assert b"sk-ant" not in out.read_bytes()
    assert run([*serve, "--replay", str(out)], ask) == (models, 0, "")
    assert run([*serve, "--replay", str(out)], lambda ready: ready["replay"])[0] == str(out)


def test_the_command_itself_imports_nothing_heavy() -> None:
    code = (
        "import sys, mockllm.__main__; "
        "print(*sorted({'aiohttp', 'numpy', 'pydantic', 'anthropic', 'simpy'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
    assert mockllm.__main__.__all__ == ["app", "main"]
