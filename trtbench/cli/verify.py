"""``trtbench verify``."""

from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions, OutputOptions, ShapeOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import checked_names
from trtbench.specs import InputsSpec

_DEFAULT_SAMPLES = InputsSpec().samples


def command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX...",
            help="Such as fp16 mxfp8 nvfp4+sparse nvfp4@stock; exported models and .onnx files, too.",
            callback=checked_names,
        ),
    ],
    model: ModelOptions,
    shape: ShapeOptions,
    output: OutputOptions,
    given: Given,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with one folder of images per class, as ImageNet; default: synthetic images.",
            callback=checked_names,
        ),
    ] = None,
    data_samples: Annotated[int, typer.Option(help="Number of images to compare on.")] = (_DEFAULT_SAMPLES),
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="ARTIFACT|ONNX",
            help="Model to compare with; default: the FP32 model of the recipes and exported models.",
            callback=checked_names,
        ),
    ] = None,
) -> None:
    """Measure each recipe's error against FP32: the exported ONNX files are computed on a CPU.

    Existing artifacts are reused. A recipe that fails is a row with its reason (exit code 1).

    For example:

    trtbench verify fp16 fp8 nvfp4

    trtbench verify nvfp4 --model vit_small_patch16_224 --pretrained --data imagenet/val --data-samples 1000

    trtbench verify own.onnx --against fp32.onnx
    """
    from trtbench.cli.parse import inputs_spec
    from trtbench.cli.parse_model import parse_verified, shape_of
    from trtbench.report.text.progress import progress_display
    from trtbench.report.text.verify import render_verification
    from trtbench.store.artifacts import Store
    from trtbench.verify import verify

    found = shape_of(shape)
    subjects = parse_verified(words, model, found, given)
    inputs = inputs_spec(data, data_samples, model.seed)
    with progress_display([str(each.recipe) for each in subjects if not isinstance(each, Path)]) as on_step:
        verification = verify(subjects, Store(output.store), inputs, on_step, against, found.img_size)
    print_result(verification, output, render_verification)
    exit_if(any(row.status == "failed" for row in verification.rows))
