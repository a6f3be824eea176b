"""``trtbench containers``."""

from typing import Annotated

import typer

from trtbench.cli.options import OutputOptions
from trtbench.cli.output import print_result


def command(
    output: OutputOptions,
    tags: Annotated[
        list[str] | None,
        typer.Argument(metavar="TAG", help="Such as 25.11; default: all known containers."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands that pull and run each image.")
    ] = False,
) -> None:
    """List NVIDIA's containers, and whether this machine can run them.

    For example:

    trtbench containers 25.11 26.06 --dry-run

    trtbench compare fp16 nvfp4 --env local --env docker:nvcr.io/nvidia/tensorrt:25.11-py3
    """
    from trtbench.doctor.containers import list_containers
    from trtbench.report.text.containers import render_containers

    print_result(list_containers(output.store, tags or (), dry_run), output, render_containers)
