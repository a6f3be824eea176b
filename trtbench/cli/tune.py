"""``trtbench tune``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbench.cli.following import to_paste
from trtbench.cli.groups import Given, words_of
from trtbench.cli.options import ReportOptions, TuneOptions
from trtbench.cli.output import exit_if, print_result
from trtbench.cli.path_names import checked_names

if TYPE_CHECKING:
    from trtbench.results import Tuning

_DEFAULT_SAMPLES = 8


def command(
    options: TuneOptions,
    output: ReportOptions,
    given: Given,
    gpu: Annotated[str, typer.Option(help="Where the engines would run; trtbench gpus lists the names.")],
    min_sqnr: Annotated[
        float | None, typer.Option(metavar="DB", help="Minimum SQNR of the output against FP32.")
    ] = None,
    max_top1_drop: Annotated[
        float | None,
        typer.Option(metavar="P", help="Maximum drop in top-1 accuracy from FP32, in points; with --data."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with one folder of images per class, as ImageNet; default: synthetic images.",
            callback=checked_names,
        ),
    ] = None,
    data_samples: Annotated[
        int, typer.Option(help="Number of images to measure errors on.")
    ] = _DEFAULT_SAMPLES,
    runtime: Annotated[
        str | None, typer.Option(help="Time the confirmed recipes in this runtime; needs its device.")
    ] = None,
) -> None:
    """Search precisions by role for the fastest recipe on a GPU that keeps a bound on its error.

    All recipes are estimated from parts; the best few are then exported, built, audited, verified and
    predicted whole. No GPU is needed. If this machine has a GPU that the engines are built for, these few are
    also timed, and the measured times decide. Then the passes of the winner are left out one by one, and the
    best recipes are predicted at the other batches and image sizes.

    Finished work is kept: an interrupted search resumes, and a second one takes seconds. If no recipe keeps
    the bound, the exit code is 1.

    For example:

    trtbench tune vit_base_patch16_224 --gpu rtx-pro-6000

    trtbench tune vit_small_patch16_224 --gpu rtx-5090 --batch 8 --min-sqnr 25

    trtbench tune vit_small_patch16_224 --gpu rtx-5090 --batch 64,1,8,32 --img-size 224,208,256

    trtbench tune vit_small_patch16_224 --gpu rtx-5090 --pretrained --data imagenet/val --max-top1-drop 0.5
    """
    from trtbench.cli.parse import inputs_spec, parse_tuned
    from trtbench.predict.gpus import find_gpu
    from trtbench.report.text.progress import progress_display
    from trtbench.report.text.tuning import render_tuning
    from trtbench.store.artifacts import Store
    from trtbench.tune import tune

    found = find_gpu(gpu, options.clock_mhz)
    spec = parse_tuned(
        options,
        given,
        inputs=inputs_spec(data, data_samples, options.seed),
        min_sqnr_db=min_sqnr,
        max_top1_drop=max_top1_drop,
        runtime=runtime,
    )
    with progress_display(()) as on_step:
        tuning = tune(spec, found, Store(output.store), on_step)
    following = _next_command(tuning, options, output, given, runtime)
    print_result(
        tuning, output, lambda result, console: render_tuning(result, following, console), is_kept=True
    )
    exit_if(tuning.has_failed)


def _next_command(
    tuning: "Tuning", options: TuneOptions, output: ReportOptions, given: Given, runtime: str | None
) -> str | None:
    """What compares the baseline with the winner, with the same model, shape, compiler and store."""
    if tuning.winner is None:
        return None
    recipes = dict.fromkeys(("fp16", str(tuning.winner)))
    size = None if tuning.img_size is None else str(tuning.img_size)
    options = replace(options, batch=str(tuning.batch), img_size=size)
    timed_in = [] if runtime is None else ["--runtime", runtime]
    gpu = ["--gpu", tuning.gpu.name, "--target", tuning.gpu.target]
    words = ["--model", options.model, *words_of(options, given), *gpu]
    return to_paste("compare", [*recipes, *words, *timed_in], output)
