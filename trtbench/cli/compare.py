"""``trtbench compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbench.cli.following import after_comparison
from trtbench.cli.groups import Given
from trtbench.cli.options import CompareOptions, GateOptions, ReportOptions
from trtbench.cli.output import EXIT_FAILED, EXIT_SLOWER, exit_if, print_stored, say
from trtbench.cli.path_names import checked_names

if TYPE_CHECKING:
    from trtbench.compare.baseline import Baseline
    from trtbench.results import Comparison
    from trtbench.specs import Condition, Grid


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
    output: ReportOptions,
    gate: GateOptions,
    given: Given,
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

    trtbench compare fp16 nvfp4 --fail-on GEMM_FELL_BACK --fail-on "sqnr<8"

    trtbench compare fp16 nvfp4 --pretrained --data imagenet/val --data-samples 200

    trtbench compare fp16 nvfp4 --batch 1,8,64

    trtbench compare own.onnx nvfp4 --batch 8

    trtbench compare fp16 nvfp4 --backend tensorrt --runtime tensorrt --runtime trtexec

    trtbench compare --from results/monday.json results/tuesday.json

    trtbench compare fp16 nvfp4 --baseline main.json --fail-on slower --fail-on more-kernels

    trtbench compare fp16 nvfp4 --env venv:tensorrt-rtx==1.5.0.114 --env venv:tensorrt-rtx==1.7.1.116

    trtbench compare fp32 --runtime onnxruntime-cpu --env venv:onnxruntime==1.22.1 --env local
    """
    from trtbench.cli.parse import parse_conditions, parse_grid
    from trtbench.cli.refusals import TIMING, Asked, refuse
    from trtbench.compare.baseline import load_baseline, with_changes

    conditions = parse_conditions(gate.fail_on, given)
    before = load_baseline(gate.baseline) if gate.baseline else None  # which may be damaged: before any work
    if stored:
        refuse(Asked(stored=True), given)
        comparison, samples = _stored([Path(word) for word in words], before)
        following = None
    else:
        grid = parse_grid(words, options, given, options.runtime, options.env)
        comparison, samples = _timed(grid, output.store)
        comparison = with_changes(comparison, before) if before else comparison
        following = after_comparison(comparison, options, given, output)
    is_kept = bool(samples) and not stored
    print_stored(comparison, output, samples, is_kept, following)
    ineffective = [option for option in given if option in TIMING]
    if comparison.not_timed and not comparison.measurements() and ineffective:
        say(f"trtbench: nothing was timed; {', '.join(ineffective)} had no effect")
    code = _judge(comparison, conditions)
    exit_if(comparison.has_failed)
    if code:
        raise typer.Exit(code)


def _stored(paths: "Sequence[Path]", baseline: "Baseline | None") -> "tuple[Comparison, list[Path]]":
    """Compare stored results; also give the files of their samples, without which a single one may be."""
    from trtbench.compare import compare_stored
    from trtbench.compare.baseline import stored_with_changes
    from trtbench.store.results import load_result

    comparison = stored_with_changes(paths, baseline) if baseline else compare_stored(paths)
    samples = [file for path in paths for file in load_result(path).raw_files(path.parent)]
    return comparison, [file for file in dict.fromkeys(samples) if file.is_file()]


def _timed(grid: "Grid", root: Path) -> "tuple[Comparison, list[Path]]":
    """Compare the cells of a grid; also give the files of their samples."""
    from trtbench.compare import compare
    from trtbench.report.text.progress import progress_display
    from trtbench.store.artifacts import Store

    store = Store(root)
    with progress_display(()) as on_step:
        comparison = compare(grid, store, on_step)
    return comparison, comparison.raw_files(store.results)


def _judge(comparison: "Comparison", conditions: "Sequence[Condition]") -> int:
    """Say which conditions fail the comparison, one line a reason; give the exit code for them."""
    from trtbench.compare.gate import judged_words, reasons_to_fail

    reasons = reasons_to_fail(comparison, conditions)
    for condition, reason in reasons:
        say(f"trtbench: --fail-on {condition.word}: {reason}")
    words = judged_words(comparison) & {"SLOWER", "INCOMPARABLE"}
    if reasons and words == {"SLOWER"} and all(condition.kind == "slower" for condition, _ in reasons):
        return EXIT_SLOWER
    return EXIT_FAILED if reasons else 0
