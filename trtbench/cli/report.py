"""``trtbench report``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.output import say
from trtbench.cli.path_names import checked_names, writable_reports


def command(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULT...",
            help="Stored results of any kind, such as results/NAME.json, and folders of them.",
            callback=checked_names,
        ),
    ],
    to: Annotated[
        list[Path],
        typer.Option(
            "--to",
            "-o",
            metavar="FILE",
            help="Where to write it: .html, .md with pictures, or .csv; repeatable.",
            callback=writable_reports,
        ),
    ],
) -> None:
    """Write a report on stored results: what to take, and the figures that say why; no GPU is needed.

    One section a result: comparisons, searches, sweeps, traces and measurements, of older versions, too. An
    HTML page loads nothing from elsewhere, so that it can be mailed or kept as it is. Markdown has its
    pictures beside it, in a folder; CSV has all rows and columns.

    For example:

    trtbench report results/compare-vit.json -o report.html

    trtbench report results other.json -o report.html -o report.md -o report.csv
    """
    from trtbench.report.sources import sources_in
    from trtbench.report.write import write_report

    sources, left_out = sources_in([Path(word) for word in results])
    for reason in left_out:
        say(f"trtbench: {reason}")
    again = shlex.join(["trtbench", *sys.argv[1:]])
    for path in to:
        write_report(sources, path, again)
        typer.echo(path)
