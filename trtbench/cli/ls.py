"""``trtbench ls``."""

from trtbench.cli.options import OutputOptions
from trtbench.cli.output import print_result


def command(output: OutputOptions) -> None:
    """List the models, engines and failed builds of the store, oldest first.

    The id is the start of the hash that ends the name of the folder or log, and enough for trtbench rm.

    For example:

    trtbench ls

    trtbench ls --store /data/trtbench --json
    """
    from trtbench.report.text.listing import render_listing
    from trtbench.store.artifacts import Store
    from trtbench.store.listing import list_store

    print_result(list_store(Store(output.store)), output, render_listing)
