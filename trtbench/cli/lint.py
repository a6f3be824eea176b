"""``trtbench lint``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions, OutputOptions, ShapeOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import checked_names


def command(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|MODEL|ARTIFACT|ONNX",
            help="A recipe, a timm name, an exported model, or any .onnx file.",
            callback=checked_names,
        ),
    ],
    model: ModelOptions,
    shape: ShapeOptions,
    output: OutputOptions,
    given: Given,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Check a timm model in this precision or recipe; repeatable; default: FP8, MXFP8 and NVFP4."
        ),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Compute capability to check for; repeatable; default: sm120.")
    ] = None,
    input_shape: Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            metavar="NAME=SHAPE",
            help="Shape of a dynamic input of a graph, such as x=8x3x224x224; repeatable.",
        ),
    ] = None,
) -> None:
    """Check a model or a graph against design rules for quantised ViTs; nothing is built.

    A timm model is checked before any export; a recipe is exported if the store lacks it, and its graph is
    checked. The exit code is 1 if a finding has the severity error. Batch and image size also apply to
    dynamic dimensions of a graph, unless --shape names them.

    For example:

    trtbench lint vit_base_patch16_224

    trtbench lint nvfp4 --model vit_small_patch16_224

    trtbench lint model.onnx --target sm89
    """
    from trtbench.cli.parse import shapes_of
    from trtbench.cli.parse_model import lint_subject, shape_of
    from trtbench.export import export
    from trtbench.lint import lint
    from trtbench.report.text.lint import render_lint
    from trtbench.report.text.progress import progress_display
    from trtbench.specs import ExportSpec
    from trtbench.store.artifacts import Store

    shapes, size = shapes_of(input_shape), shape_of(shape)
    found = lint_subject(subject, precision or [], model, size, given)
    if isinstance(found, ExportSpec):
        with progress_display([subject]) as on_step:
            found = export(found, Store(output.store), on_step)[0].directory
    report = lint(found, size.batch, size.img_size, target or ["sm120"], shapes)
    print_result(report, output, render_lint)
    exit_if(report.has_errors)
