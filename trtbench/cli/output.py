"""How a command ends: its result on stdout, remarks on stderr, and its exit code."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from trtbench.cli.streams import STDERR, STDOUT, lead_nowhere
from trtbench.errors import OutputError
from trtbench.units import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

    from trtbench.cli.options import OutputOptions, ResultOptions
    from trtbench.results import Result
    from trtbench.store.results import Stored

R = TypeVar("R", bound="Result")

EXIT_FAILED, EXIT_USAGE, EXIT_SLOWER, EXIT_INTERRUPTED = 1, 2, 3, 130


def exit_if(failed: bool) -> None:
    """End with the exit code of a failure."""
    if failed:
        raise typer.Exit(EXIT_FAILED)


def say(text: str) -> None:
    """Write a line to stderr; where stderr cannot be written, the exit code has to do."""
    try:
        typer.echo(visible(text), err=True)
    except OSError:
        lead_nowhere(STDERR)


def print_result(
    result: R, output: "ResultOptions", render: "Callable[[R, Console], None]", is_kept: bool = False
) -> None:
    """Write the result to stdout, as JSON or rendered for people, and to the files that were asked for.

    ``is_kept``: it is in the store, too.

    Raises:
        ArtifactError: a file cannot be written.
        OutputError: stdout cannot be written.
    """
    try:
        _to_stdout(result, output.json, render, is_kept)
    finally:
        _export(result, output)


def _to_stdout(result: R, json: bool, render: "Callable[[R, Console], None]", is_kept: bool) -> None:
    try:
        _print(result, json, render)
    except OSError as error:
        # A reader may close its pipe on purpose, and a file that has a name is not stdout.
        if isinstance(error, BrokenPipeError) or error.filename is not None:
            raise
        lead_nowhere(STDOUT)
        kept = "; the result is kept in the store" * is_kept
        raise OutputError(f"cannot write the result to stdout: {error.strerror}{kept}") from error


def _export(result: "Result", output: "ResultOptions") -> None:
    from trtbench.results.base import write_text

    if output.export_markdown is not None:
        write_text(output.export_markdown, result.to_markdown())
    if output.export_csv is not None:
        write_text(output.export_csv, result.to_csv())
    if output.export_json is not None:
        result.save(output.export_json)
    _report(result, output)


def _report(result: "Result", output: "ResultOptions") -> None:
    from trtbench.cli.options import ReportOptions

    if not isinstance(output, ReportOptions) or output.html is None:
        return
    from trtbench.report.sections.section import Source
    from trtbench.report.write import write_html

    again = shlex.join(["trtbench", *sys.argv[1:]])
    write_html([Source(again, result, output.store / "results")], output.html, again)


def print_stored(
    result: "Stored",
    output: "OutputOptions",
    samples: Sequence[Path],
    is_kept: bool,
    following: str | None = None,
) -> None:
    """Print a result of timing, where its ``samples`` are, and ``following``, the command to run next.

    Raises:
        OutputError: stdout cannot be written.
    """

    def render(result: "Stored", console: "Console") -> None:
        from trtbench.report.text.stored import render_stored

        render_stored(result, samples, console, following)

    try:
        print_result(result, replace(output, export_json=None), render, is_kept)
    finally:
        if output.export_json is not None:
            # Samples do not lie beside a file that is named.
            result.with_samples_in(output.store / "results").save(output.export_json)


def _print(result: R, json: bool, render: "Callable[[R, Console], None]") -> None:
    if json:
        typer.echo(visible_json(result.model_dump_json(indent=2)))
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
