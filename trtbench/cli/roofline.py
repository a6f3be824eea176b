"""``trtbench roofline``."""

from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import SET, ClockOptions, ResultOptions, ShapesOptions
from trtbench.cli.output import print_result
from trtbench.cli.path_names import checked_names
from trtbench.specs.gpu import DEFAULT_GPU


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A timm name, or a file such as models/*.yaml.", callback=checked_names
        ),
    ],
    shapes: ShapesOptions,
    clock: ClockOptions,
    output: ResultOptions,
    given: Given,
    precision: Annotated[
        str,
        typer.Option(metavar="RECIPE[,...]", help="Precisions or recipes, such as fp16,fp8,nvfp4+fp8attn."),
    ] = "fp16,fp8",
    tokens: Annotated[
        str | None,
        typer.Option(
            metavar="N[,N...]",
            help="Length of sequences that enter the first block, for encoders of text; default: images.",
        ),
    ] = None,
    gpu: Annotated[str, typer.Option(help="trtbench gpus lists the names.")] = DEFAULT_GPU,
    overrides: Annotated[list[str] | None, SET] = None,
) -> None:
    """Show what bounds each kernel of a model on a GPU, compute or memory; nothing is exported or timed.

    FLOPs and bytes follow from the model's structure. A roof is a bound, not a time; docs/how_to/roofline.md
    has the formulas. Several image sizes or lengths are also compared at equal M, which is batch x tokens.

    For example:

    trtbench roofline vit_base_patch16_224 --batch 1,8,64 --precision fp16,fp8,nvfp4

    trtbench roofline vit_base_patch16_224 --set embed_dim=960 --set num_heads=15 --set mlp_ratio=2.6666667
    --batch 1 --tokens 1024,50
    """
    from trtbench.cli.parse import parse_roofline
    from trtbench.host.installation import needing
    from trtbench.predict.gpus import find_gpu
    from trtbench.report.text.roofline import render_roofline

    with needing("torch", "export"):
        from trtbench.predict.roofline import roofline

    found = find_gpu(gpu, clock.clock_mhz)
    exports, lengths = parse_roofline(model, overrides or [], precision, shapes, tokens, given)
    print_result(roofline(exports, found, lengths), output, render_roofline)
