"""``trtbench predict``."""

from typing import Annotated

import typer

from trtbench.cli.following import after_comparison
from trtbench.cli.groups import Given
from trtbench.cli.options import PredictOptions, ReportOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import checked_names


def command(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX...",
            help="Recipes such as fp16 mxfp8 nvfp4@stock; or engines, exported models and ONNX files.",
            callback=checked_names,
        ),
    ],
    options: PredictOptions,
    output: ReportOptions,
    given: Given,
) -> None:
    """Predict how long each recipe takes on a GPU; no GPU is needed, and nothing is timed.

    Each recipe is exported, built for that GPU and audited; its compiled layers give the time, with an
    interval. Predictions are not measurements: docs/explanation/prediction.md says how wrong they are.

    Existing artifacts are reused. A recipe that fails is a row with its reason (exit code 1).

    For example:

    trtbench predict fp16 mxfp8 nvfp4

    trtbench predict fp16 nvfp4 --batch 1,8,64 --gpu rtx-5090 --clock-mhz 2600

    trtbench predict own.onnx nvfp4 --batch 8
    """
    from trtbench.cli.parse import parse_predicted
    from trtbench.compare import predict
    from trtbench.report.text.predictions import render_predictions
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    grid = parse_predicted(subjects, options, given)
    with progress_display(()) as on_step:
        comparison = predict(grid, Store(output.store), on_step)
    following = after_comparison(comparison, options, given, output)
    print_result(comparison, output, lambda result, console: render_predictions(result, console, following))
    exit_if(any(row.predicted is None for row in comparison.rows))
