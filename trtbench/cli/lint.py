"""``trtbench lint``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import SET, JsonOption, ShapeOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import checked_names


def command(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|ONNX",
            help="A timm name, an exported model, or any .onnx file.",
            callback=checked_names,
        ),
    ],
    shape: ShapeOptions,
    given: Given,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Check a timm model in this precision or recipe; repeatable; default: FP8, MXFP8 and NVFP4."
        ),
    ] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Compute capability to check for; repeatable; default: sm120.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check a model or a graph against design rules for quantised ViTs; nothing is exported or built.

    The exit code is 1 if a finding has the severity error. Batch and image size apply to timm models and to
    dynamic dimensions of a graph.

    For example:

    trtbench lint vit_base_patch16_224

    trtbench lint model.onnx --target sm89
    """
    from trtbench.cli.parse_model import lint_subject
    from trtbench.lint import lint
    from trtbench.report.text.lint import render_lint

    size = (shape.batch, shape.img_size)
    specs = lint_subject(subject, precision or [], overrides or [], size, given)
    report = lint(specs, *size, target or ["sm120"])
    print_result(report, json, render_lint)
    exit_if(report.has_errors)
