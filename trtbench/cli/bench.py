"""``trtbench bench``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import GridOptions, OutputOptions
from trtbench.cli.output import exit_if, print_stored
from trtbench.cli.path_names import checked_names


def command(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX",
            help="An exported model, an engine, a model file, or a recipe such as fp16.",
            callback=checked_names,
        ),
    ],
    options: GridOptions,
    output: OutputOptions,
    given: Given,
    runtime: Annotated[
        str | None,
        typer.Option(help="Default: the namesake of the engine's compiler (docs/explanation/measuring.md)."),
    ] = None,
    aa: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Compare the arm with itself N times, such as 200, to see how often verdicts are wrong.",
        ),
    ] = None,
) -> None:
    """Time one model in one runtime: fresh processes, blocks, an interval, and the state of the GPU.

    A recipe is exported and built as far as the runtime needs it. The result and every sample are kept under
    results/; run the same command again to resume an interrupted measurement.

    For example:

    trtbench bench nvfp4

    trtbench bench fp16 --runtime onnxruntime-cpu --model vit_tiny_patch16_224 --batch 1,8

    trtbench bench nvfp4 --backend tensorrt --optimization-level 5

    trtbench bench fp16 --runtime onnxruntime-cpu --aa 200 --duration-s 1
    """
    from trtbench.cli.parse import parse_grid
    from trtbench.compare import bench, bench_against_itself
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store
    from trtbench.store.results import Stored

    grid = parse_grid([subject], options, given, [runtime] if runtime else [], aa=aa is not None)
    store = Store(output.store)
    with progress_display(()) as on_step:
        result: Stored = (
            bench(grid, store, on_step) if aa is None else bench_against_itself(grid, aa, store, on_step)
        )
    samples = result.raw_files(store.results)
    print_stored(result, output, samples, is_kept=bool(samples))
    exit_if(result.has_failed)
