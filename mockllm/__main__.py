"""The command `mockllm`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mockllm import MockLLMError
from mockllm.command_line import UsageError, usage, version_option

__all__ = ["app", "main"]

DEFAULT_PROFILE = "claude-sonnet-5"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A deterministic mock of hosted LLM APIs, timed by profiles fitted to recorded traffic.\n\n"
    "Example: mockllm serve --profile claude-sonnet-5",
)


class ReplayTiming(StrEnum):
    """What `--replay-timing` takes."""

    RECORDED = "recorded"
    PROFILE = "profile"


@app.callback()
def options(version: Annotated[bool, version_option("mockllm")] = False) -> None:
    pass


@app.command(
    help="Serve a profile at a local address until Ctrl-C; prints one line of JSON with the URL when ready.\n\n"
    "Example: mockllm serve --profile claude-opus-5 --port 8787 --seed 7"
)
def serve(
    profile: Annotated[str, typer.Option(help="A shipped profile's name, or a file.")] = DEFAULT_PROFILE,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes any free one.")] = 8787,
    seed: Annotated[int, typer.Option(help="The luck of all answers; the same seed gives the same ones.")] = 1,
    speed: Annotated[
        float, typer.Option(min=0.01, max=10_000.0, help="Time runs so many times faster, lives of cache entries too.")
    ] = 1.0,
    any_model: Annotated[bool, typer.Option("--any-model", help="Answer whatever model is named.")] = False,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="KIND=RATE", help="Fail a share of requests on purpose; repeatable.")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT=NUMBER", help="Requests, input-tokens or output-tokens a minute; repeatable."),
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Real TLS; the ready line names the authority to trust.")] = False,
    keepalive: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="Close a connection that was idle for so long.")
    ] = 3630.0,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="A line of JSON on standard error for each request for an answer.")
    ] = False,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answer from a recording, and nothing that is not in it.")
    ] = None,
    replay_timing: Annotated[
        ReplayTiming, typer.Option(help="When recorded chunks come: as they came, or as the profile sends.")
    ] = ReplayTiming.RECORDED,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let other machines reach it.")] = False,
    until_stdin_ends: Annotated[
        bool, typer.Option("--until-stdin-ends", help="Stop, too, when standard input ends: with whoever started it.")
    ] = False,
) -> None:
    from mockllm.serving import serve_command

    serve_command(
        profile,
        host=host,
        port=port,
        seed=seed,
        allow_remote=allow_remote,
        speed=speed,
        keepalive_s=keepalive,
        any_model=any_model,
        faults=fault or [],
        limits=limit or [],
        tls=tls,
        log_requests=log_requests,
        replay=replay,
        replay_timing=replay_timing.value,
        until_stdin_ends=until_stdin_ends,
    )


@app.command(
    help="Pass requests on to an API and record its answers with their timing, without keys; Ctrl-C ends it.\n\n"
    "Example: mockllm record --upstream http://127.0.0.1:8787 --out answers.jsonl"
)
def record(
    upstream: Annotated[str, typer.Option(metavar="URL", help="The base URL of the API; the key comes with requests.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The recording, to which exchanges are appended.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes any free one.")] = 0,
    allow_remote_upstream: Annotated[
        bool, typer.Option("--allow-remote-upstream", help="Let the API be on another machine.")
    ] = False,
) -> None:
    from mockllm.recorder import record_command

    record_command(upstream, out, port=port, allow_remote=allow_remote_upstream)


@app.command(
    help="List the shipped profiles, or show every parameter of one with the evidence for it.\n\n"
    "Example: mockllm profiles claude-sonnet-5"
)
def profiles(name: Annotated[str | None, typer.Argument(help="A shipped profile's name, or a file.")] = None) -> None:
    from mockllm.profile_listing import describe, list_shipped
    from mockllm.profiles import load

    typer.echo(list_shipped() if name is None else describe(load(name)[0]))


def main() -> None:
    """Run the command; what goes wrong on purpose is one line and exit code 2."""
    try:
        sys.exit(app(prog_name="mockllm", standalone_mode=False) or 0)
    except UsageError as error:
        usage(error, "mockllm")
    except MockLLMError as error:
        typer.echo(f"mockllm: {error}", err=True)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    sys.exit(2)


if __name__ == "__main__":
    main()
