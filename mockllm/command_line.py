"""What both commands share: the version, and one line for whatever was typed wrong."""

from __future__ import annotations

from typing import Any

import typer

from mockllm import __version__

__all__ = ["UsageError", "usage", "version_option"]

# typer has its own copy of click in some releases and uses the installed one in others; its public error names both.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def version_option(command: str) -> Any:
    """The option that prints the version of `command` and ends it; both packages are one distribution."""

    def say(wanted: bool) -> None:
        if wanted:
            typer.echo(f"{command} {__version__}")
            raise typer.Exit

    return typer.Option("--version", callback=say, is_eager=True, help="Print the version.")


def usage(error: Exception, command: str) -> None:
    """Tell of a `UsageError` in one line of `command`; where no command was given, the help is the message."""
    text: str = error.format_message()  # type: ignore[attr-defined]  # click's, whichever copy
    if text.startswith("Usage:"):
        typer.echo(text)
        return
    path = getattr(getattr(error, "ctx", None), "command_path", command)
    typer.echo(f"{command}: {' '.join(text.split()).rstrip('.')}; see {path} --help", err=True)
