"""``trtbench build``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.options import BuildOptions, OutputOptions
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names


def command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="ARTIFACT|ONNX", help="An exported model or any .onnx file.", callback=checked_names
        ),
    ],
    building: BuildOptions,
    output: OutputOptions,
    sparsity: Annotated[
        bool, typer.Option("--sparsity", help="Allow kernels for 2:4 sparse weights.")
    ] = False,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MIN:OPT:MAX[,...]",
            help="Optimization profile: minimum, optimum and maximum shapes of dynamic inputs; repeatable.",
        ),
    ] = None,
) -> None:
    """Compile an ONNX model to an engine, keep the whole log, and read the compiled layers from it.

    For example:

    trtbench build models/vit_base_patch16_224-nvfp4-b64-*/

    trtbench build model.onnx --target sm89,sm120 --sparsity

    trtbench build model.onnx --backend tensorrt --tactic-table --optimization-level 5

    trtbench build dynamic.onnx --profile x=1x3x224x224:8x3x224x224:64x3x224x224
    """
    from trtbench.build import build, load_onnx
    from trtbench.build.choice import build_spec_for
    from trtbench.cli.parse import build_request
    from trtbench.report.text.artifacts import render_engine
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    spec = build_spec_for(build_request(building, sparsity, profile or []))
    with progress_display([model.name]) as on_step:
        artifact, _ = build(load_onnx(model), spec, Store(output.store), on_step)
    print_result(
        artifact.manifest, output.json, lambda _, console: render_engine(artifact, console), is_kept=True
    )
