"""``trtbench sweep``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from trtbench.cli.options import ReportOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import plot_folder


def command(
    output: ReportOptions,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="YAML file, or a plan of the package, such as vit39.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count cells and estimate time and disk; do nothing.")
    ] = False,
    executor: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or workers of a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Ray cluster; default: start one on this machine.")
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="How Ray's workers exchange models and engines: store, if all see it, or an fsspec URL; "
            "default: Ray's object store.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Cells without a GPU at once; default: what cores and memory allow."),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write SVG plots of the factors.", callback=plot_folder),
    ] = None,
) -> None:
    """Make, predict and time Vision Transformers over patch, depth, width, shape, recipe, runtime and GPU.

    A plan names values of patch, depth, width and recipe, and, if you like, of heads, image, batch, runtime
    and gpu (where times are predicted); skip leaves models out; stages are predict, verify, bench and trace,
    by default all that this machine allows. A failed cell never stops the others; finished ones are kept, so
    that the same command resumes. The result says how much of the variance each factor explains, and gives a
    rule with its error on cells that it has not seen. If a cell failed, the exit code is 1.

    For example:

    trtbench sweep vit39 --dry-run

    trtbench sweep vit39 --plots plots

    trtbench sweep plan.yaml --executor ray --address 10.0.0.1:6379
    """
    from trtbench.report.plots import write_plots
    from trtbench.report.text.progress import progress_display
    from trtbench.report.text.sweep import render_estimate, render_sweep
    from trtbench.request import read_plan
    from trtbench.store.artifacts import Store
    from trtbench.sweep import estimate, sweep
    from trtbench.sweep.executors import executor_for

    asked, store = read_plan(plan), Store(output.store)
    starts = executor_for(asked, store, executor, workers, address, artifacts)
    if dry_run:
        print_result(estimate(asked, store, workers), output, render_estimate)
        return
    with progress_display(()) as on_step:
        found = sweep(asked, store, starts, on_step)
    if plots is not None:
        write_plots(found, plots)
    print_result(found, output, render_sweep, is_kept=True)
    exit_if(found.has_failed)
