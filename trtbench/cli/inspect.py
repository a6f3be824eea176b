"""``trtbench inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ArtifactOptions, OutputOptions, ShapeOption
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    word: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX",
            help="A recipe, whose engine is shown, an exported model, an engine, or any .onnx file.",
            callback=checked_names,
        ),
    ],
    options: ArtifactOptions,
    output: OutputOptions,
    given: Given,
    layers: Annotated[
        bool, typer.Option("--layers", help="List every layer; default: identical blocks once.")
    ] = False,
    shape: ShapeOption = None,
) -> None:
    """Show each layer's role, precision, shape, FLOPs and bytes, and what was asked against what compiled.

    The engine of a recipe is exported and built if the store lacks it.

    For example:

    trtbench inspect nvfp4

    trtbench inspect nvfp4 --model vit_small_patch16_224 --batch 8

    trtbench inspect model.onnx --layers

    trtbench inspect dynamic.onnx --shape x=8x3x224x224
    """
    from trtbench.audit.inspect import inspect
    from trtbench.cli.parse import build_request, shapes_of
    from trtbench.cli.parse_model import parse_subjects, shape_of
    from trtbench.compare.several import engine_of, subject_name
    from trtbench.report.text.audit import render_audit
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    shapes, size = shapes_of(shape), shape_of(options)
    (subject,) = parse_subjects([word], options, size, given, builds_files=False)
    if not isinstance(subject, Path):
        with progress_display([subject_name(subject)]) as on_step:
            subject = engine_of(subject, build_request(options), Store(output.store), on_step).directory
    audit = inspect(subject, shapes)
    print_result(audit, output, lambda audit, console: render_audit(audit, console, layers))
