"""``trtbench history``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.options import OutputOptions
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    output: OutputOptions,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER|FILE...]",
            help="Stored comparisons and measurements, and folders of them; default: results/ of the store.",
            callback=checked_names,
        ),
    ] = None,
) -> None:
    """Show stored results over time, by model, shape, recipe and GPU, and mark what changed.

    Measured and predicted times are series of their own. A compiled number or a predicted time is marked if
    it differs at all, a measured time if it is FASTER or SLOWER than the first one since the last change, and
    beyond the scatter of earlier ones. Beside a mark stands what else differs: versions, commit, weights.

    A file that cannot be read is skipped, with its reason.

    For example:

    trtbench history

    trtbench history ci/results --export-markdown history.md
    """
    from trtbench.history import history
    from trtbench.report.text.history import render_history
    from trtbench.report.text.progress import progress_display
    from trtbench.results import History
    from trtbench.store.artifacts import Store

    results = Store(output.store).results
    if not paths and not results.is_dir():
        found = History(sources=(str(results),), results=0, series=())
    else:
        with progress_display(()) as on_step:
            found = history(paths or [results], on_step)
    print_result(found, output, render_history)
