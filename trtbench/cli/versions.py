"""The commands that hold versions against each other: ``diff``, ``containers``, and ``compare --env``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbench.cli.options import (
    BenchOptions,
    BuildOptions,
    ModelOptions,
    NetworkOptions,
    OutputOptions,
    ShapeOptions,
    expand_options,
)
from trtbench.cli.output import EXIT_FAILED, EXIT_SLOWER, print_result
from trtbench.cli.path_names import checked_names

if TYPE_CHECKING:
    from trtbench.compare.versions import Plan
    from trtbench.progress import OnProgress


def diff_command(
    before: Annotated[
        Path,
        typer.Argument(metavar="ENGINE", help="Directory of an engine in the store.", callback=checked_names),
    ],
    after: Annotated[
        Path, typer.Argument(metavar="ENGINE", help="What it is compared with.", callback=checked_names)
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else on stdout.")
    ] = False,
) -> None:
    """Align the compiled layers of two engines of one network, and tell what became of which kernels.

    The engines may differ in precision, in version, in target, but not in batch or image size: layers are
    matched by the nodes of the graph that they compute. The changes add up to the whole difference in kernels
    and bytes.

    For example:

    trtbench diff engines/vit_base_patch16_224-{fp16,nvfp4}-b64-sm120-rtx1.7.1.116-*/
    """
    from trtbench.diff import diff
    from trtbench.report.text.diff import render_diff

    print_result(diff(before, after), json, render_diff)


@expand_options
def containers_command(
    output: OutputOptions,
    tags: Annotated[
        list[str] | None,
        typer.Argument(metavar="TAG", help="Such as 25.11; default: all that are known."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands that fetch and use each image.")
    ] = False,
) -> None:
    """List NVIDIA's containers that are known, and whether this machine can run them.

    For example:

    trtbench containers 25.11 26.06 --dry-run

    trtbench compare fp16 nvfp4 --env local --env docker:nvcr.io/nvidia/tensorrt:25.11-py3
    """
    from trtbench.doctor.containers import list_containers
    from trtbench.report.text.containers import render_containers

    print_result(list_containers(output.store, tags or (), dry_run), output.json, render_containers)


@dataclass(frozen=True)
class EnvironmentsRequest:
    """The words and options of ``trtbench compare RECIPE... --env WORD --env WORD``."""

    words: Sequence[str]
    environments: Sequence[str]
    network: NetworkOptions
    building: BuildOptions
    timing: BenchOptions = field(default_factory=BenchOptions)
    shapes: ShapeOptions = field(default_factory=ShapeOptions)
    runtimes: tuple[str, ...] = ()
    fail_on_slower: bool = False


def compare_in_environments(request: EnvironmentsRequest, output: OutputOptions) -> None:
    """Carry it out; a failed row makes the exit code 1, and a slower one 3 if that was asked for.

    Raises:
        SpecError: a recipe, an environment or an option is wrong, or there are several shapes.
        MeasureError: nobody knows whether anything is slower, and that was asked for.
    """
    from trtbench.cli.measure_requests import measuring_progress, slower_among
    from trtbench.cli.parse import export_specs
    from trtbench.compare.stored_arms import raw_files
    from trtbench.compare.versions import compare_environments
    from trtbench.environments import parse_environments
    from trtbench.report.text.versions import render_versions
    from trtbench.store.artifacts import Store

    exports = export_specs(request.words, _one_shape(request))
    places = parse_environments(request.environments)
    names = [*map(str, places), *(str(spec.recipe) for spec in exports)]
    with measuring_progress(names) as (on_step, told):
        plan = _plan(request, told)
        result = compare_environments(exports, plan, places, Store(output.store), on_step)
    files = raw_files(result, output.store / "results")
    print_result(
        result,
        output.json,
        lambda _, console: render_versions(result, files, console),
        is_kept=bool(files),
    )
    if any(row.status == "failed" for row in result.rows):
        raise typer.Exit(EXIT_FAILED)
    if request.fail_on_slower and slower_among(result.verdicts):
        raise typer.Exit(EXIT_SLOWER)


def _one_shape(request: EnvironmentsRequest) -> ModelOptions:
    from trtbench.cli.parse import at_one_shape

    return at_one_shape(request.network, request.shapes, "--env")


def _plan(request: EnvironmentsRequest, told: "OnProgress") -> "Plan":
    from trtbench.cli.build_requests import specs_by_backend, specs_for_runtimes
    from trtbench.cli.measure_requests import checked_bench, timing_of
    from trtbench.compare.versions import Plan

    runtimes = request.runtimes
    by_backend = specs_by_backend(request.building)
    # A compiler's engines are timed in its namesake.
    bench = checked_bench(request.timing, request.network.seed, runtimes or tuple(by_backend))
    return Plan(
        timing=timing_of(request.timing, bench, told),
        by_backend=by_backend,
        runtimes=runtimes,
        by_runtime=specs_for_runtimes(request.building, runtimes) if runtimes else {},
    )
