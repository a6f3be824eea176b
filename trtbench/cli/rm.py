"""``trtbench rm``."""

from typing import Annotated

import typer

from trtbench.cli.options import OutputOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import checked_names


def command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Ids that trtbench ls shows, names of folders and logs, or paths to them.",
            callback=checked_names,
        ),
    ],
    output: OutputOptions,
) -> None:
    """Remove models, engines and logs of failed builds from the store, without asking.

    What another process is making stays (exit code 1), and so does a model while engines are being built.
    Engines stay when their model is removed; trtbench prune removes them.

    For example:

    trtbench rm 3f9a2c71

    trtbench rm 3f9a2c71 b07d44e8 --store /data/trtbench
    """
    from trtbench.report.text.listing import render_removal
    from trtbench.store.artifacts import Store
    from trtbench.store.removal import remove_named

    removal = remove_named(Store(output.store), names)
    print_result(removal, output, render_removal)
    exit_if(removal.has_kept)
