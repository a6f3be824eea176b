"""How a command ends: its result on stdout, and its exit code."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from trtbench.specs import Spec

R = TypeVar("R", bound="Spec")

EXIT_FAILED, EXIT_USAGE, EXIT_SLOWER, EXIT_INTERRUPTED = 1, 2, 3, 130


def print_result(result: R, json: bool, render: "Callable[[R, Console], None]") -> None:
    """Write the result to stdout: as JSON, or rendered for people."""
    if json:
        typer.echo(result.model_dump_json(indent=2))
        return
    from trtbench.report.console import stdout_console

    console = stdout_console()
    if console.is_terminal:
        render(result, console)
        return
    with console.capture() as captured:
        render(result, console)
    # What pads tables to their width is noise in a file.
    typer.echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))
