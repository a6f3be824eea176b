"""``trtbench prune``."""

from typing import Annotated

import typer

from trtbench.cli.options import OutputOptions
from trtbench.cli.output import print_result


def command(
    output: OutputOptions,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed; remove nothing.")
    ] = False,
) -> None:
    """Remove what the store no longer needs, without asking.

    That is: engines of exported models that are gone, logs of failed exports and builds, and partial files
    of processes that ended. What a running process uses stays. Results and engines of other ONNX files stay.

    For example:

    trtbench prune --dry-run

    trtbench prune
    """
    from trtbench.report.text.listing import render_removal
    from trtbench.store.artifacts import Store
    from trtbench.store.removal import prune

    print_result(prune(Store(output.store), dry_run), output, render_removal)
