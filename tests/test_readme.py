"""The documents tell the truth: what the README shows is run, and the options any document names exist.

How a document is written so that this file can run it:

- a ```python block is a whole program and is run as one;
- in a ```console block the lines that start with `$ ` are commands (a final backslash continues one) and the
  rest is what they print; in a ```bash or ```sh block every line is shell;
- the blocks of a document run in order in one scratch folder which holds copies of examples/, scenarios/ and
  profiles/, with `latlab`, `mockllm` and `python` of this environment, so a later block may read what an
  earlier one wrote. A block that starts a server in the background has it ended when the block ends;
- lines that set a machine up (make, pip, git, cd, source …) are left out: CI runs them on its way here;
- a block naming $LATLAB_RECORDINGS or shared/data is left out where the recordings are absent;
- `<!-- not run: REASON -->` on the line before a block leaves it out, for what needs a key or never ends.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    path for path in [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))] if path.is_file()
]
SET_UP = re.compile(r"(?:(?:make|pip|pipx|uv|git|cd|source|\.|bash|pre-commit)|\S*python3? -m (?:pip|venv))(?: |$)")
FENCE = re.compile(
    r"(?:^<!--\s*not run:(?P<reason>[^\n]*)-->[ \t]*\n\n?)?"
    r"^(?P<fence>`{3,})[ \t]*(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"`((?:latlab|mockllm) [^`]+)`")
INVOCATION = re.compile(r"(?:^|[\s|;&(=])(?:\.venv/bin/)?((?:latlab|mockllm)(?: [^|;&\n]+)?)")


@dataclass(frozen=True)
class Block:
    """One fenced block: language, text, line in the document, and the reason if it is not to be run."""

    language: str
    text: str
    line: int
    not_run: str | None

    @property
    def commands(self) -> list[str]:
        """The block's shell commands, each with its continuation lines; none where it is not of a shell."""
        text = self.text.replace("\\\n", "\\\0")
        lines = text.splitlines()
        if self.language == "console":
            shown = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        elif self.language in {"bash", "sh"}:
            shown = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        else:
            shown = []
        return [line.replace("\\\0", "\\\n") for line in shown]

    @property
    def runnable(self) -> list[str]:
        """Its commands without those that set a machine up."""
        return [command for command in self.commands if not SET_UP.match(command)]


def blocks_of(document: str) -> list[Block]:
    blocks = []
    for found in FENCE.finditer(document):
        reason = found["reason"]
        assert reason is None or reason.strip(), f"not run, but no reason is given: {found.group(0)[:80]}"
        blocks.append(
            Block(found["language"], found["text"], document.count("\n", 0, found.start("fence")) + 1, reason)
        )
    return blocks


def invocations(document: str) -> set[str]:
    """Every `latlab …` or `mockllm …` that a document shows, in a shell block or between backticks."""
    shown = {command.replace("\\\n", " ") for block in blocks_of(document) for command in block.runnable}
    found = {match for command in shown for match in INVOCATION.findall(command)}
    return found | set(INLINE.findall(FENCE.sub("", document)))


def words_of(invocation: str) -> tuple[str, ...]:
    """The command and the words before its first option or placeholder: what `--help` is asked of."""
    words = []
    for word in invocation.split():
        if not re.match(r"[\w./]", word):
            break
        words.append(word.partition("|")[0])
    return tuple(words)


@functools.cache
def help_of(words: tuple[str, ...]) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", words[0], *words[1:], "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "240", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, f"{' '.join(words)} --help: {shown.stderr}"
    return shown.stdout


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder laid out as a user's checkout, whose .venv/bin runs this environment's commands."""
    folder = tmp_path / "checkout"
    commands = folder / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name in ("latlab", "mockllm", "python", "python3"):
        module = "" if name.startswith("python") else f"-m {name} "
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n', encoding="utf-8")
        command.chmod(0o755)
    for name in ("examples", "scenarios", "profiles"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (tmp_path / "shared").symlink_to(shared)
    return folder


def recordings_folder() -> Path:
    return Path(os.environ.get("LATLAB_RECORDINGS") or ROOT.parent / "shared" / "data")


def run_block(block: Block, folder: Path) -> None:
    """Run one block in `folder`; fails, with what was printed, unless every command in it ends with 0."""
    if block.language == "python":
        command = [sys.executable, "-c", block.text]
    else:
        command = ["bash", "-c", "set -euxo pipefail\n" + "\n".join(block.runnable)]
    environment = {
        **os.environ,
        "PATH": f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LATLAB_RECORDINGS": str(recordings_folder()),
    }
    output = folder.parent / f"line-{block.line}.log"
    with output.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(timeout=240)
        finally:
            with_children_ended(process)
    assert process.returncode == 0, (
        f"the block at line {block.line} ended with {process.returncode}:\n{output.read_text()[-4000:]}"
    )


def with_children_ended(process: subprocess.Popen[bytes]) -> None:
    """End what a block left running: it is the leader of a session of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def test_the_readme_shows_commands() -> None:
    blocks = blocks_of(README.read_text(encoding="utf-8"))
    run = [command for block in blocks if block.not_run is None for command in block.runnable]
    assert any(command.startswith("latlab ") for command in run), "README.md shows no latlab command that can be run"


def test_what_the_readme_shows_works(scratch: Path) -> None:
    for block in blocks_of(README.read_text(encoding="utf-8")):
        wants_recordings = "LATLAB_RECORDINGS" in block.text or "shared/data" in block.text
        if block.not_run is not None or (wants_recordings and not recordings_folder().is_dir()):
            continue
        if block.language == "python" or block.runnable:
            run_block(block, scratch)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_options_a_document_names_exist(path: Path) -> None:
    for invocation in sorted(invocations(path.read_text(encoding="utf-8"))):
        offered = set(re.findall(r"--[a-z][a-z-]*", help_of(words_of(invocation))))
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", invocation))
        assert named <= offered | {"--help"}, f"`{invocation}` names options that do not exist"


SAMPLE = """
```console
$ make demo
$ latlab run tool_agent \\
    --runs 4
1 study
$ mockllm serve --port 0 | head -1
```

<!-- not run: needs a key -->
```bash
# a comment
latlab run tool_agent --world live
```
Say `latlab gate STUDY --assert 'x'`.
"""


def test_a_document_is_read_as_its_convention_says() -> None:
    console, live = blocks_of(SAMPLE)
    assert console.line == 2
    assert console.runnable == ["latlab run tool_agent \\\n    --runs 4", "mockllm serve --port 0 | head -1"]
    assert live.not_run == " needs a key "
    assert live.commands == ["latlab run tool_agent --world live"]
    found = {" ".join(invocation.split()) for invocation in invocations(SAMPLE)}
    assert found == {
        "latlab run tool_agent --runs 4",
        "mockllm serve --port 0",
        "latlab run tool_agent --world live",
        "latlab gate STUDY --assert 'x'",
    }
    assert words_of("latlab gate STUDY --assert 'x'") == ("latlab", "gate", "STUDY")
    assert words_of("latlab list scenarios|toggles [--json]") == ("latlab", "list", "scenarios")
    assert not Block("sh", "python -m pip install x\n.venv/bin/python -m venv y\n. y/bin/activate\n", 1, None).runnable
    assert Block("sh", "python agent.py\n.venv/bin/latlab demo\nA=1 latlab demo\n", 1, None).runnable


def test_a_command_that_fails_fails_its_block(scratch: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 3"):
        run_block(Block("bash", "true\npython -c 'raise SystemExit(3)' | cat\ntrue\n", 1, None), scratch)
    with pytest.raises(AssertionError, match="ended with 1"):
        run_block(Block("python", "raise ValueError\n", 1, None), scratch)
