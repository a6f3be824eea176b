"""``trtbench doctor``."""

from typing import Annotated

import typer

from trtbench.cli.options import ResultOptions
from trtbench.cli.output import print_result


def command(
    output: ResultOptions,
    deep: Annotated[
        bool, typer.Option("--deep", help="Import every package in a process of its own (slow).")
    ] = False,
) -> None:
    """Check the installation: what is installed, which backends work, what is missing and how to get it."""
    from trtbench.doctor.diagnose import diagnose
    from trtbench.report.text.doctor import render_diagnosis

    print_result(diagnose(deep=deep), output, render_diagnosis)
