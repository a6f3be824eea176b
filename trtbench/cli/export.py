"""``trtbench export``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions, OutputOptions, ShapeOptions
from trtbench.cli.output import print_result


def command(
    model: ModelOptions,
    shape: ShapeOptions,
    output: OutputOptions,
    given: Given,
    precision: Annotated[
        str, typer.Option(help="A precision or a whole recipe, such as nvfp4 or nvfp4@stock.")
    ] = "fp16",
    sparse: Annotated[
        bool, typer.Option("--sparse", help="Prune the weights to 2:4 first; the same as +sparse.")
    ] = False,
) -> None:
    """Quantise a model and write it as ONNX with a static batch.

    For example:

    trtbench export --precision nvfp4 --sparse

    trtbench export --precision fp8 --model vit_small_patch16_224 --calib photos/ --calib-samples 128
    """
    from trtbench.cli.parse_model import checked_exports, with_sparse
    from trtbench.export import export
    from trtbench.report.text.artifacts import render_onnx
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    word = with_sparse(precision) if sparse else precision
    (spec,) = checked_exports([word], model, (shape.batch, shape.img_size), given)
    with progress_display([str(spec.recipe)]) as on_step:
        artifact, _ = export(spec, Store(output.store), on_step)
    print_result(
        artifact.manifest, output.json, lambda _, console: render_onnx(artifact, console), is_kept=True
    )
