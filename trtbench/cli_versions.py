"""The commands that hold versions against each other: ``diff``, ``containers``, and ``compare --env``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from trtbench.cli_options import BuildOptions, NetworkOptions, OutputOptions, expand_options
from trtbench.cli_output import EXIT_FAILED, print_result


def diff_command(
    before: Annotated[Path, typer.Argument(metavar="ENGINE", help="Directory of an engine in the store.")],
    after: Annotated[Path, typer.Argument(metavar="ENGINE", help="What it is compared with.")],
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else on stdout.")
    ] = False,
) -> None:
    """Align the compiled layers of two engines of one network, and tell what became of which kernels.

    The engines may differ in precision, in version, in target: layers are matched by the nodes of the graph
    that they compute. The changes add up to the whole difference in kernels and bytes.

    For example:

    trtbench diff engines/vit_base_patch16_224-fp16-*/ engines/vit_base_patch16_224-nvfp4-*/
    """
    from trtbench.diff import diff
    from trtbench.report.diff import render_diff

    print_result(diff(before, after), json, render_diff)


@expand_options
def containers_command(
    output: OutputOptions,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands that fetch and use each image.")
    ] = False,
) -> None:
    """List NVIDIA's containers that are known, and whether this machine can run them.

    For example:

    trtbench containers --dry-run

    trtbench compare fp16 nvfp4 --env local --env docker:nvcr.io/nvidia/tensorrt:25.11-py3
    """
    from trtbench.containers import list_containers
    from trtbench.report.containers import render_containers

    print_result(list_containers(output.store, dry_run), output.json, render_containers)


def compare_in_environments(
    words: Sequence[str],
    environments: Sequence[str],
    network: NetworkOptions,
    building: BuildOptions,
    batch: str,
    output: OutputOptions,
) -> None:
    """Carry out ``compare RECIPE... --env WORD --env WORD``; a failed row makes the exit code 1.

    Raises:
        SpecError: a recipe, an environment or an option is wrong, or there are several batches.
    """
    from trtbench.artifacts import Store
    from trtbench.environments import parse_environments
    from trtbench.errors import SpecError
    from trtbench.report.progress import recipe_progress
    from trtbench.report.versions import render_versions
    from trtbench.specs_from_options import at_batches, build_spec, export_specs
    from trtbench.versions import compare_environments

    models = at_batches(network, batch)
    if len(models) > 1:
        raise SpecError(f"--batch {batch}: --env compares versions at one batch: name one")
    exports, places = export_specs(words, models[0]), parse_environments(environments)
    names = [*map(str, places), *(str(spec.recipe) for spec in exports)]
    with recipe_progress(names) as on_step:
        result = compare_environments(exports, build_spec(building), places, Store(output.store), on_step)
    print_result(result, output.json, render_versions)
    if any(row.status == "failed" for row in result.rows):
        raise typer.Exit(EXIT_FAILED)
