"""The commands that time: ``bench`` and ``compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbench.cli.options import (
    AA_COMPARISONS,
    BenchOptions,
    BuildOptions,
    CompareOptions,
    CompilerOptions,
    NetworkOptions,
    OutputOptions,
    ShapeOptions,
    expand_options,
)
from trtbench.cli.output import EXIT_FAILED, EXIT_SLOWER, print_result
from trtbench.cli.path_names import checked_names
from trtbench.cli.versions import EnvironmentsRequest, compare_in_environments
from trtbench.errors import SpecError

if TYPE_CHECKING:
    from rich.console import Console

    from trtbench.store.results import Stored


@expand_options
def compare_command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE...",
            help="Such as fp16 mxfp8 nvfp4+sparse nvfp4@stock; with --runtime also artifacts and files.",
            callback=checked_names,
        ),
    ],
    asked: CompareOptions,
    network: NetworkOptions,
    shapes: ShapeOptions,
    building: BuildOptions,
    timing: BenchOptions,
    output: OutputOptions,
) -> None:
    """Export, build and audit each recipe, and print them side by side.

    On a machine with a GPU that the engines are for, they are timed, too: blocks of all engines take turns,
    and each gets a verdict against the first. --runtime times in other runtimes.

    Work that is done already is reused. A recipe that fails is a row with its reason (exit code 1).

    For example:

    trtbench compare fp16 mxfp8 nvfp4

    trtbench compare fp16 nvfp4+sparse --model deit3_base_patch16_224 --batch 8 --json

    trtbench compare fp16 nvfp4 --runtime tensorrt_rtx --runtime torch --fail-on slower

    trtbench compare fp16 nvfp4 --batch 1,8,64

    trtbench compare fp16 nvfp4 --backend tensorrt --runtime tensorrt --runtime trtexec

    trtbench compare --from results/monday.json results/tuesday.json

    trtbench compare fp16 nvfp4 --env venv:tensorrt-rtx==1.5.0.114 --env venv:tensorrt-rtx==1.7.1.116

    trtbench compare fp32 --runtime onnxruntime-cpu --env venv:onnxruntime==1.22.1 --env local
    """
    from trtbench.cli.build_requests import refuse_shared_rebuilds

    _check_contradictions(asked)
    refuse_shared_rebuilds(building, timing.rebuilds)
    if asked.env:
        in_environments = EnvironmentsRequest(
            words=words,
            environments=asked.env,
            network=network,
            building=building,
            timing=timing,
            shapes=shapes,
            runtimes=tuple(asked.runtime),
            fail_on_slower=asked.fail_on is not None,
        )
        compare_in_environments(in_environments, output)
        return
    from trtbench.cli.measure_requests import CompareRequest, compare_as_asked, is_slower
    from trtbench.compare.stored_arms import has_failed

    request = CompareRequest(
        words=tuple(words),
        network=network,
        building=building,
        timing=timing,
        shapes=shapes,
        runtimes=tuple(asked.runtime),
        aa_comparisons=(asked.comparisons or AA_COMPARISONS) if asked.aa else None,
        stored=asked.stored,
    )
    result = compare_as_asked(request, output.store)
    _print_result(result, output, words if asked.stored else ())
    failed = has_failed(result)
    _exit(failed, asked.fail_on is not None and not failed and is_slower(result))


def _check_contradictions(asked: CompareOptions) -> None:
    """Refuse options of ``compare`` that contradict each other."""
    if asked.comparisons is not None and not asked.aa:
        raise SpecError(f"--comparisons {asked.comparisons} is a number of --aa: say --aa, or leave it out")
    if asked.env and (asked.aa or asked.stored):
        option = "--aa" if asked.aa else "--from"
        raise SpecError(f"{option} and --env exclude each other: recipes are compared between environments")
    if asked.aa and asked.fail_on:
        raise SpecError("--aa and --fail-on exclude each other: an arm against itself has no faster side")


@expand_options
def bench_command(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="ARTIFACT|RECIPE",
            help="An exported model, an engine, a model file; fp16.",
            callback=checked_names,
        ),
    ],
    network: NetworkOptions,
    shapes: ShapeOptions,
    building: CompilerOptions,
    timing: BenchOptions,
    output: OutputOptions,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="What runs it: see docs/measuring.md. Default: what the compiler of the engine is called."
        ),
    ] = None,
) -> None:
    """Time one model in one runtime: fresh processes, blocks, an interval, and the state of the GPU.

    A recipe is exported and built as far as the runtime needs it. The result and every sample are kept under
    results/; an interrupted measurement goes on when the same command comes again.

    For example:

    trtbench bench engines/vit_base_patch16_224-nvfp4-b64-sm120-rtx1.7.1.116-*/

    trtbench bench fp16 --runtime onnxruntime-cpu --model vit_tiny_patch16_224 --batch 1,8

    trtbench bench nvfp4 --backend tensorrt --optimization-level 5
    """
    from trtbench.cli.build_requests import refuse_shared_rebuilds
    from trtbench.cli.measure_requests import BenchRequest, bench_as_asked
    from trtbench.compare.stored_arms import has_failed

    refuse_shared_rebuilds(building, timing.rebuilds)
    request = BenchRequest(
        subject=subject, network=network, shapes=shapes, building=building, timing=timing, runtime=runtime
    )
    result = bench_as_asked(request, output.store)
    _print_result(result, output, ())
    _exit(has_failed(result), False)


def _print_result(result: "Stored", output: OutputOptions, sources: Sequence[str]) -> None:
    """Print a result that lies in the store, or that was made of the results ``sources``."""
    from trtbench.compare.stored_arms import raw_files, raw_files_of_stored
    from trtbench.report.text.stored import render_stored

    kept = [] if sources else raw_files(result, output.store / "results")

    def render(result: "Stored", console: "Console") -> None:
        files = raw_files_of_stored(map(Path, sources)) if sources else kept
        render_stored(result, files, console)

    print_result(result, output.json, render, is_kept=bool(kept))


def _exit(failed: bool, slower: bool) -> None:
    if failed or slower:
        raise typer.Exit(EXIT_FAILED if failed else EXIT_SLOWER)
