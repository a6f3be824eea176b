"""``trtbench predict``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import DEFAULT_GPU, GpuOption, OutputOptions, PredictOptions
from trtbench.cli.output import exit_if, print_result


def command(
    recipes: Annotated[
        list[str], typer.Argument(metavar="RECIPE...", help="Such as fp16 mxfp8 nvfp4+sparse nvfp4@stock.")
    ],
    options: PredictOptions,
    output: OutputOptions,
    given: Given,
    gpu: GpuOption = DEFAULT_GPU,
) -> None:
    """Predict how long each recipe takes on a GPU; no GPU is needed, and nothing is timed.

    Each recipe is exported, built for that GPU and audited; its compiled layers give the time, with an
    interval. Predictions are not measurements: docs/prediction.md says how wrong they are.

    Existing artifacts are reused. A recipe that fails is a row with its reason (exit code 1).

    For example:

    trtbench predict fp16 mxfp8 nvfp4

    trtbench predict fp16 nvfp4 --batch 1,8,64 --gpu rtx-5090
    """
    from trtbench.cli.parse import parse_predicted
    from trtbench.compare import predict
    from trtbench.predict.gpus import find_gpu
    from trtbench.report.text.predictions import render_predictions
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    found = find_gpu(gpu)
    grid = parse_predicted(recipes, options, given)
    with progress_display(()) as on_step:
        predictions = predict(grid, found, Store(output.store), on_step)
    print_result(predictions, output.json, render_predictions)
    exit_if(predictions.has_failed)
