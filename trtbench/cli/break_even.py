"""``trtbench break-even``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import BreakEvenOptions, OutputOptions
from trtbench.cli.output import exit_if, print_result


def command(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Such as fp16 nvfp4.")],
    options: BreakEvenOptions,
    output: OutputOptions,
    given: Given,
) -> None:
    """Show from how many tokens on a token reduction pays: both models over image sizes, side by side.

    Without --runtime, times are predicted from compiled engines, and no GPU is needed. With it, both models
    take turns on the local GPU: torch-eager and torch are the same kernels without and with a CUDA graph.

    The break-even point lies between two sizes; its interval is where the ends of the speed-ups' intervals
    cross 1. A size whose model fails is left out, with its reason (exit code 1).

    For example:

    trtbench break-even fp16 --token-reduction evit:keep=0.5,at=3+6+9 --batch 1 --img-size 224,448

    trtbench break-even bf16 --token-reduction tome:r=8 --img-size 224,448 --runtime torch
    """
    from trtbench.cli.parse import parse_break_even
    from trtbench.compare.break_even import break_even
    from trtbench.report.text.break_even import render_break_even
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    grid = parse_break_even(recipes, options, given)
    with progress_display(()) as on_step:
        found = break_even(grid, Store(output.store), on_step)
    print_result(found, output, render_break_even)
    exit_if(bool(found.failed))
