"""``trtbench compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trtbench.cli.following import after_comparison
from trtbench.cli.groups import Given
from trtbench.cli.options import CompareOptions, OutputOptions
from trtbench.cli.output import EXIT_SLOWER, exit_if, print_stored, say
from trtbench.cli.path_names import checked_names
from trtbench.errors import MeasureError

if TYPE_CHECKING:
    from trtbench.results import Comparison, Verdict
    from trtbench.specs import Grid


def command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE|ARTIFACT|ONNX...",
            help="Such as fp16 mxfp8 nvfp4+sparse nvfp4@stock; artifacts and .onnx files, too.",
            callback=checked_names,
        ),
    ],
    options: CompareOptions,
    output: OutputOptions,
    given: Given,
    fail_on: Annotated[
        Literal["slower"] | None, typer.Option(help="Exit with 3 if an arm is SLOWER than the baseline.")
    ] = None,
    stored: Annotated[
        bool, typer.Option("--from", help="Compare stored results, the arguments; time nothing.")
    ] = False,
) -> None:
    """Export, build and audit each recipe, predict its time, and print them side by side.

    If this machine has a GPU that the engines are built for, they are also timed, in turns, and each gets a
    verdict against the first. --runtime times in other runtimes, --env in other environments. The last lines
    recommend a recipe, say what is uncertain, and what to run next.

    Existing artifacts are reused. A recipe that fails is a row with its reason (exit code 1).

    For example:

    trtbench compare fp16 mxfp8 nvfp4

    trtbench compare fp16 nvfp4+sparse --model deit3_base_patch16_224 --batch 8 --json

    trtbench compare fp16 nvfp4 --runtime tensorrt_rtx --runtime torch --fail-on slower

    trtbench compare fp16 nvfp4 --pretrained --data imagenet/val --data-samples 200

    trtbench compare fp16 nvfp4 --batch 1,8,64

    trtbench compare own.onnx nvfp4 --batch 8

    trtbench compare fp16 nvfp4 --backend tensorrt --runtime tensorrt --runtime trtexec

    trtbench compare --from results/monday.json results/tuesday.json

    trtbench compare fp16 nvfp4 --env venv:tensorrt-rtx==1.5.0.114 --env venv:tensorrt-rtx==1.7.1.116

    trtbench compare fp32 --runtime onnxruntime-cpu --env venv:onnxruntime==1.22.1 --env local
    """
    from trtbench.cli.parse import parse_grid
    from trtbench.cli.refusals import TIMING, Asked, refuse

    if stored:
        refuse(Asked(stored=True), given)
        comparison, samples = _stored([Path(word) for word in words])
        following = None
    else:
        grid = parse_grid(words, options, given, options.runtime, options.env)
        comparison, samples = _timed(grid, output.store)
        following = after_comparison(comparison, options, given, output)
    is_kept = bool(samples) and not stored
    print_stored(comparison, output.json, samples, is_kept, following)
    ineffective = [option for option in given if option in TIMING]
    if comparison.not_timed and not comparison.measurements() and ineffective:
        say(f"trtbench: nothing was timed; {', '.join(ineffective)} had no effect")
    exit_if(comparison.has_failed)
    if fail_on and _is_slower(comparison.verdicts):
        raise typer.Exit(EXIT_SLOWER)


def _stored(paths: "Sequence[Path]") -> "tuple[Comparison, list[Path]]":
    """Compare stored results; also give the files of their samples."""
    from trtbench.compare import compare_stored
    from trtbench.store.results import load_result

    comparison = compare_stored(paths)
    samples = [file for path in paths for file in load_result(path).raw_files(path.parent)]
    return comparison, list(dict.fromkeys(samples))


def _timed(grid: "Grid", root: Path) -> "tuple[Comparison, list[Path]]":
    """Compare the cells of a grid; also give the files of their samples."""
    from trtbench.compare import compare
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    store = Store(root)
    with progress_display(()) as on_step:
        comparison = compare(grid, store, on_step)
    return comparison, comparison.raw_files(store.results)


def _is_slower(verdicts: "Sequence[Verdict]") -> bool:
    """Whether an arm is slower than its baseline.

    Raises:
        MeasureError: there is no verdict, or one is INCOMPARABLE.
    """
    if not verdicts:
        raise MeasureError("--fail-on slower: there is no verdict, because no two arms were timed")
    for verdict in verdicts:
        if verdict.verdict == "INCOMPARABLE":
            raise MeasureError(f"--fail-on slower: {verdict.arm} is INCOMPARABLE: {verdict.reason}")
    return any(verdict.verdict == "SLOWER" for verdict in verdicts)
