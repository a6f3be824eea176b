"""``trtbench build``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ArtifactOptions, OutputOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import checked_names


def command(
    options: ArtifactOptions,
    output: OutputOptions,
    given: Given,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX...",
            help="Recipes, exported models or .onnx files; default: all exported models of the store.",
            callback=checked_names,
        ),
    ] = None,
    sparsity: Annotated[
        bool, typer.Option("--sparsity", help="Allow kernels for 2:4 sparse weights; +sparse recipes do.")
    ] = False,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MIN:OPT:MAX[,...]",
            help="Optimization profile: minimum, optimum and maximum shapes of dynamic inputs; repeatable.",
        ),
    ] = None,
) -> None:
    """Compile models to engines, keep the whole log, and read the compiled layers from it.

    A recipe is exported if the store lacks it. Without an argument, every exported model of the store is
    built; existing engines are reused. Of several models, one that fails stops none of the rest (exit
    code 1).

    For example:

    trtbench build

    trtbench build fp16 nvfp4 --model vit_small_patch16_224

    trtbench build model.onnx --target sm89,sm120 --sparsity

    trtbench build model.onnx --backend tensorrt --tactic-table --optimization-level 5

    trtbench build dynamic.onnx --profile x=1x3x224x224:8x3x224x224:64x3x224x224
    """
    from trtbench.cli.parse import build_request
    from trtbench.cli.parse_model import parse_built, shape_of
    from trtbench.compare.several import build_all, build_missing, make_engine, subject_name
    from trtbench.report.text.artifacts import render_engine, render_made
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    request = build_request(options, sparsity, profile or [])
    subjects = parse_built(words or (), options, shape_of(options), given)
    store = Store(output.store)
    with progress_display([subject_name(subject) for subject in subjects]) as on_step:
        if len(subjects) == 1:
            artifact, _ = make_engine(subjects[0], request, store, on_step)
        elif subjects:
            made = build_all(subjects, request, store, on_step)
        else:
            made = build_missing(request, store, on_step)
    if len(subjects) == 1:
        print_result(
            artifact.manifest, output, lambda _, console: render_engine(artifact, console), is_kept=True
        )
        return
    print_result(made, output, render_made, is_kept=True)
    exit_if(made.has_failed)
