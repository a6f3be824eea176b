"""``trtbench diff``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ArtifactOptions, OutputOptions, ShapeOption
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    before: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX",
            help="An engine, or the recipe, exported model or .onnx file that it is built from.",
            callback=checked_names,
        ),
    ],
    after: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX", help="The engine to compare with it.", callback=checked_names
        ),
    ],
    options: ArtifactOptions,
    output: OutputOptions,
    given: Given,
    shape: ShapeOption = None,
) -> None:
    """Align the compiled layers of two engines of one network, and show how kernels changed.

    The engines may differ in precision, version and target, but not in batch or image size: layers are
    matched by the graph nodes that they compute. The changes add up to the whole difference in kernels and
    bytes. What the store lacks is exported and built.

    For example:

    trtbench diff fp16 nvfp4

    trtbench diff nvfp4@stock nvfp4 --model vit_small_patch16_224 --batch 8
    """
    from trtbench.cli.parse import build_request, shapes_of
    from trtbench.cli.parse_model import parse_subjects, shape_of
    from trtbench.compare.several import engine_of, subject_name
    from trtbench.diff import diff
    from trtbench.progress import for_subject
    from trtbench.report.text.diff import render_diff
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    shapes, size = shapes_of(shape), shape_of(options)
    subjects = parse_subjects([before, after], options, size, given, builds_files=True)
    request, store = build_request(options), Store(output.store)
    with progress_display(()) as on_step:
        engines = [
            engine_of(subject, request, store, for_subject(on_step, subject_name(subject))).directory
            for subject in subjects
        ]
    first, second = engines
    print_result(diff(first, second, shapes), output, render_diff)
