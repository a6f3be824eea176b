"""``trtbench trace``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.options import JsonOption
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    traces: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="SQLite exports of Nsight Systems, traces of torch.profiler, or layer profiles of trtexec.",
            callback=checked_names,
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Show where GPU and wall time go in a profiler's trace; several traces stand side by side.

    Kernels are sorted by what they do, gaps by what the host does meanwhile, and sums are also given for one
    inference. docs/traces.md says how to record a trace and what each number is.

    For example:

    trtbench trace vit.sqlite

    trtbench trace fp16.sqlite nvfp4.sqlite
    """
    from trtbench.report.text.progress import progress_display
    from trtbench.report.text.trace import render_trace
    from trtbench.trace import trace

    with progress_display(()) as on_step:
        report = trace([Path(each) for each in traces], on_step)
    print_result(report, json, render_trace)
