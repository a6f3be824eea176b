"""``trtbench doctor``."""

from typing import Annotated

import typer

from trtbench.cli.options import JsonOption
from trtbench.cli.output import print_result


def command(
    json: JsonOption = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Import every package in a process of its own (slow).")
    ] = False,
) -> None:
    """Check the installation: what is installed, which backends work, what is missing and how to get it."""
    from trtbench.doctor.diagnose import diagnose
    from trtbench.report.text.doctor import render_diagnosis

    print_result(diagnose(deep=deep), json, render_diagnosis)
