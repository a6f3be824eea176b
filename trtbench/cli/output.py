"""How a command ends: its result on stdout, and its exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from trtbench.cli.streams import lead_nowhere
from trtbench.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console

    from trtbench.specs import Spec

R = TypeVar("R", bound="Spec")

EXIT_FAILED, EXIT_USAGE, EXIT_SLOWER, EXIT_INTERRUPTED = 1, 2, 3, 130


_STDOUT = 1


def print_result(
    result: R, json: bool, render: "Callable[[R, Console], None]", is_kept: bool = False
) -> None:
    """Write the result to stdout: as JSON, or rendered for people; ``is_kept``: it is in the store, too.

    Raises:
        OutputError: stdout does not take it.
    """
    with _writing(is_kept):
        _print(result, json, render)


@contextmanager
def _writing(is_kept: bool) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A pipe that nobody reads any more is the reader's choice, and a file that has a name is not stdout.
        if isinstance(error, BrokenPipeError) or error.filename is not None:
            raise
        lead_nowhere(_STDOUT)
        kept = "; the result is kept in the store" * is_kept
        raise OutputError(f"cannot write the result to stdout: {error.strerror}{kept}") from error


def _print(result: R, json: bool, render: "Callable[[R, Console], None]") -> None:
    if json:
        typer.echo(result.model_dump_json(indent=2))
        return
    from trtbench.report.text.console import stdout_console

    console = stdout_console()
    if console.is_terminal:
        render(result, console)
        return
    with console.capture() as captured:
        render(result, console)
    # What pads tables to their width is noise in a file.
    typer.echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))
