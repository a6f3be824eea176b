"""``trtbench export``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions, OutputOptions, ShapeOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.errors import SpecError


def command(
    model: ModelOptions,
    shape: ShapeOptions,
    output: OutputOptions,
    given: Given,
    recipes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE...",
            help="Such as fp16 nvfp4+sparse nvfp4@stock; default: fp16. An .onnx file is the model.",
        ),
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option(metavar="RECIPE", help="The same as an argument; repeatable.")
    ] = None,
    sparse: Annotated[
        bool, typer.Option("--sparse", help="Prune the weights to 2:4 first; the same as +sparse.")
    ] = False,
) -> None:
    """Quantise a model and write it as ONNX.

    Existing artifacts are reused. Of several recipes, one that fails stops none of the rest (exit code 1).

    For example:

    trtbench export nvfp4+sparse

    trtbench export fp16 fp8 --model vit_small_patch16_224 --calib photos/ --calib-samples 128

    trtbench export model.onnx --precision nvfp4

    trtbench export fp16 --batch 1:8:64 --img-size 384x224
    """
    from dataclasses import replace

    from trtbench.cli.parse_model import checked_exports, shape_of, with_sparse
    from trtbench.compare.several import export_all
    from trtbench.export import export
    from trtbench.report.text.artifacts import render_made, render_onnx
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    files = [word for word in recipes or () if word.endswith(".onnx")]
    if files and ("--model" in given or len(files) > 1):
        raise SpecError(f"{files[-1]}: more than one model is named; export one at a time")
    if files and not Path(files[0]).is_file():
        raise SpecError(f"{files[0]}: no such file; name an ONNX file or a recipe")
    model = replace(model, model=files[0]) if files else model
    words = [word for word in (*(recipes or ()), *(precision or ())) if word not in files] or ["fp16"]
    words = [with_sparse(word) for word in words] if sparse else words
    specs = checked_exports(words, model, shape_of(shape), given)
    store = Store(output.store)
    with progress_display([str(spec.recipe) for spec in specs]) as on_step:
        if len(specs) > 1:
            made = export_all(specs, store, on_step)
        else:
            artifact, _ = export(specs[0], store, on_step)
    if len(specs) > 1:
        print_result(made, output, render_made, is_kept=True)
        exit_if(made.has_failed)
        return
    print_result(artifact.manifest, output, lambda _, console: render_onnx(artifact, console), is_kept=True)
