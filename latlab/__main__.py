"""The command `latlab`."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latlab import LatlabError
from mockllm import MockLLMError
from mockllm.command_line import UsageError, usage, version_option

__all__ = ["app", "main"]

BAD_INPUT = 2
INTERRUPTED = 130
MOST_RUNS = 1_000_000

app = typer.Typer(
    name="latlab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure what each latency optimisation does to an LLM application: offline, reproducibly, with honest "
    "statistics.\n\nExample: latlab run tool_agent --vary streaming=false,true --runs 400",
)
calibrate = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Fit profiles to recorded traffic.\n\nExample: see calibrate fit"
)
app.add_typer(calibrate, name="calibrate")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Out = Annotated[str, typer.Option(help="The folder under which the study's own folder is kept.")]
Seed = Annotated[int, typer.Option(help="The luck of every run; arms share it.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start the study again, dropping what was kept of it.")]


class Listable(StrEnum):
    """What `latlab list` lists."""

    scenarios = "scenarios"
    benchmarks = "benchmarks"
    profiles = "profiles"
    toggles = "toggles"


@app.callback()
def options(version: Annotated[bool, version_option("latlab")] = False) -> None:
    pass


@app.command(
    help="Answer the main question on the embedded profile: what streaming, prompt caching, parallel tools and "
    "connection reuse each do to a tool-using agent, and together.\n\nExample: latlab demo --seed 7"
)
def demo(seed: Seed = 1, out: Out = "results", as_json: Json = False, fresh: Fresh = False) -> None:
    from latlab.harness import shell

    shell.demo(seed, out, as_json=as_json, fresh=fresh)


@app.command(
    help="Run a scenario, a benchmark or a file of your own under one or more configurations and compare them.\n\n"
    "Example: latlab run tool_agent --vary streaming=false,true --vary cache_control=off,conversation --runs 400\n\n"
    "Example: latlab run examples/own_agent.py --world warp\n\n"
    "Example: latlab run tool_agent --world wire --speed 20"
)
def run(
    target: Annotated[str, typer.Argument(help="A scenario, a benchmark, or the path of a .py file.")],
    world: Annotated[
        str | None,
        typer.Option(
            help="sim, warp for the real SDK and server, or wire for these in real time. [sim; warp for an agent]"
        ),
    ] = None,
    profile: Annotated[str, typer.Option(help="A shipped profile's name, or a file.")] = "claude-sonnet-5",
    settings: Annotated[list[str] | None, typer.Option("--set", help="TOGGLE=VALUE in every arm; repeatable.")] = None,
    vary: Annotated[
        list[str] | None, typer.Option(help="TOGGLE=VALUE,VALUE: an arm for each, the baseline first; repeatable.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, max=MOST_RUNS, help="Paired runs an arm. [400 in sim, 6 in warp, 3 in wire]")
    ] = None,
    seed: Seed = 1,
    speed: Annotated[
        float | None, typer.Option(min=0.01, max=10_000.0, help="In wire: so many times as fast as the profile. [1]")
    ] = None,
    client: Annotated[
        str | None, typer.Option(help="In wire: raw for a reader that adds nothing, or sdk. [raw; sdk for an agent]")
    ] = None,
    executor: Annotated[str | None, typer.Option(help="inline or processes. [by the number of runs]")] = None,
    out: Out = "results",
    as_json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    fresh: Fresh = False,
) -> None:
    from latlab.harness import shell
    from latlab.harness.planning import Asked

    asked = Asked(target, world, profile, settings or (), vary or (), runs, seed, executor, out, speed, client)
    shell.run(asked, as_json=as_json, dry_run=dry_run, fresh=fresh)


@app.command(
    name="list", help="List what there is: scenarios, benchmarks, profiles or toggles.\n\nExample: latlab list toggles"
)
def list_(kind: Annotated[Listable, typer.Argument(help="What to list.")], as_json: Json = False) -> None:
    from latlab.harness.listing import listing

    rows = listing(kind.value)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        values = f" ({', '.join(row['values'])}; default {row['default']})" if "values" in row else ""
        typer.echo(f"{row['name']:18} {row['summary']}{values}")


@calibrate.command(
    name="fit",
    help="Fit a profile to a recording of real traffic (CSV), print each parameter with its evidence, and judge it on "
    "rows that were not fitted.\n\n"
    "Example: latlab calibrate fit epoch_ttft_scaling.csv --where 'model=Claude Sonnet 5' --out my-profile.toml",
)
def fit(
    csv: Annotated[Path, typer.Argument(help="The recording, .csv or .csv.gz.")],
    out: Annotated[Path, typer.Option(help="Where the profile is written.")],
    where: Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE: only such rows; repeatable.")] = None,
    like: Annotated[str | None, typer.Option(help="A profile that says what the recording cannot.")] = None,
    as_json: Json = False,
) -> None:
    from latlab.calibration.shell import fit_command

    fit_command(csv, where or [], out, like, as_json=as_json)


def main() -> None:
    """Run the command; whatever goes wrong on purpose is one line on standard error and an exit code."""
    try:
        code = app(prog_name="latlab", standalone_mode=False)
        if code == INTERRUPTED:  # some releases of typer make Ctrl-C this code themselves, without a word
            code = _fail("interrupted", INTERRUPTED)
        sys.stdout.flush()
    except UsageError as error:
        usage(error, "latlab")
        code = BAD_INPUT
    except (LatlabError, MockLLMError) as error:
        from latlab.harness.runner import InterruptedStudyError

        interrupted = isinstance(error, InterruptedStudyError)
        if interrupted:
            _be_quiet()
        code = _fail(str(error), INTERRUPTED if interrupted else BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        _be_quiet()
        code = _fail("interrupted; what was measured is kept, repeat the command to go on", INTERRUPTED)
    except OSError as error:
        if error.filename is not None:
            sys.exit(_fail(f"{error.filename}: {error.strerror}; give another path", BAD_INPUT))
        # Of files, each is named: this is where the output goes to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of it, the interpreter writes as it ends
        code = _fail(f"standard output: {error.strerror}; what was measured is kept", BAD_INPUT)
    sys.exit(code or 0)


def _be_quiet() -> None:
    """A run that was cut off in its middle leaves coroutines and tasks which would say so while the process ends."""
    warnings.simplefilter("ignore")
    logging.disable()


def _fail(line: str, code: int) -> int:
    typer.echo(f"latlab: {line}", err=True)
    return code


if __name__ == "__main__":
    main()
