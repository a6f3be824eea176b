"""``trtbench explain``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ExplainOptions, GpuOption, OutputOptions
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names
from trtbench.specs.gpu import DEFAULT_GPU


def command(
    word: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|ARTIFACT",
            help="Such as nvfp4 or nvfp4@stock; an exported model, too.",
            callback=checked_names,
        ),
    ],
    options: ExplainOptions,
    output: OutputOptions,
    given: Given,
    gpu: GpuOption = DEFAULT_GPU,
) -> None:
    """Show why a recipe is no faster on a GPU: where its predicted time goes, and what would shorten it.

    Steps lead from the GEMMs alone, at the peak of the recipe's format, to the predicted time, with FP16
    beside them. Then come Amdahl's ceiling and the levers, the best first: other recipes, which are built for
    that, and changes whose kernels are priced again. No GPU is needed, and nothing is timed.

    Existing artifacts are reused. docs/explanation/prediction.md says how wrong predictions are.

    For example:

    trtbench explain nvfp4@stock

    trtbench explain nvfp4+fp8attn --batch 8 --gpu rtx-5090
    """
    from trtbench.cli.parse import parse_explained
    from trtbench.compare import explain
    from trtbench.predict.gpus import find_gpu
    from trtbench.report.text.explanation import render_explanation
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    found = find_gpu(gpu, options.clock_mhz)
    grid = parse_explained(word, found, options, given)
    with progress_display(()) as on_step:
        explanation = explain(grid, found, Store(output.store), on_step)
    print_result(explanation, output, render_explanation)
