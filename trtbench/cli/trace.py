"""``trtbench trace``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ReportOptions, TraceOptions
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names, writable_reports


def command(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|RECIPE|ARTIFACT...",
            help="SQLite exports of Nsight Systems, traces of torch.profiler or layer profiles of trtexec; "
            "with --runtime, what to record.",
            callback=checked_names,
        ),
    ],
    options: TraceOptions,
    output: ReportOptions,
    given: Given,
    runtime: Annotated[
        list[str] | None,
        typer.Option(help="Record a trace in this runtime on the local GPU; repeatable."),
    ] = None,
    engine: Annotated[
        Path | None,
        typer.Option(
            help="The engine that ran in a trace: put its layers beside the kernels.", callback=checked_names
        ),
    ] = None,
    to: Annotated[
        list[Path] | None,
        typer.Option(
            "--to",
            "-o",
            metavar="FILE",
            help="Also write a timeline for ui.perfetto.dev (.json) or a report (.md); repeatable.",
            callback=checked_names,
        ),
    ] = None,
) -> None:
    """Show where GPU and wall time go in a profiler's trace; several traces stand side by side.

    Kernels are sorted by what they do, gaps by what the host does meanwhile, and sums are also given for one
    inference. With --runtime, the trace is recorded here, through torch's profiler, and kept in the store.
    docs/how_to/traces.md says how to record traces otherwise, and what each number is.

    For example:

    trtbench trace vit.sqlite

    trtbench trace fp16.sqlite nvfp4.sqlite

    trtbench trace profile.json --engine engines/vit_base_patch16_224-nvfp4-b64-tensorrt

    trtbench trace fp16 --runtime torch-eager --runtime torch --batch 8 -o timeline.json -o report.md
    """
    from trtbench.cli.parse import parse_recorded, parse_traces, parse_written
    from trtbench.report.text.progress import progress_display
    from trtbench.report.text.trace import render_trace

    timeline, page = parse_written(to or [])
    writable_reports([page] if page else [])
    with progress_display(()) as on_step:
        if runtime:
            from trtbench.compare import record
            from trtbench.store.artifacts import Store

            grid = parse_recorded(subjects, options, given, runtime)
            report = record(grid, Store(output.store), on_step, timeline)
        else:
            from trtbench.trace import trace

            paths, gpu = parse_traces(subjects, options.gpu, given)
            report = trace(paths, engine, gpu, on_step, timeline)
    if page is not None:
        from trtbench.report.sections.section import Source
        from trtbench.report.write import write_report

        again = shlex.join(["trtbench", *sys.argv[1:]])
        write_report([Source(again, report, output.store)], page, again)
    print_result(report, output, render_trace)
