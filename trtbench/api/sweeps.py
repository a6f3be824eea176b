"""Grids over architectures."""

from typing import Literal, overload

from trtbench.api.words import open_store
from trtbench.progress import OnStep, silent
from trtbench.request import AnyPath, read_plan
from trtbench.results import Sweep, SweepEstimate


@overload
def sweep(
    plan: AnyPath,
    *,
    dry_run: Literal[True],
    executor: Literal["local", "ray"] = "local",
    address: str | None = None,
    artifacts: str | None = None,
    workers: int | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
) -> SweepEstimate: ...


@overload
def sweep(
    plan: AnyPath,
    *,
    dry_run: Literal[False] = False,
    executor: Literal["local", "ray"] = "local",
    address: str | None = None,
    artifacts: str | None = None,
    workers: int | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
) -> Sweep: ...


def sweep(
    plan: AnyPath,
    *,
    dry_run: bool = False,
    executor: Literal["local", "ray"] = "local",
    address: str | None = None,
    artifacts: str | None = None,
    workers: int | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
) -> Sweep | SweepEstimate:
    """Make, predict and time Vision Transformers over patch, depth, width, shape, recipe, runtime and GPU.

    Finished cells are kept in the store: an interrupted sweep resumes.

    Args:
        plan: a YAML file, or the name of a plan that comes with the package, such as ``vit39``.
        dry_run: count the cells and estimate time and disk; do nothing.
        executor: ``local``: processes of this machine; ``ray``: workers of a Ray cluster.
        address: of the Ray cluster; default: start one on this machine.
        artifacts: where Ray's workers exchange models and engines: ``store``, which all of them see, or an
            fsspec URL; default: Ray's object store.
        workers: cells without a GPU that are done at once; default: what cores and memory allow.
        store: folder of ``models/``, ``engines/`` and ``results/``.
        on_step: progress callback.

    Raises:
        SpecError: something is wrong with the plan or an argument.
        RuntimeUnavailable: a package for exports, or Ray, is missing.
        MeasureError: another process is sweeping with the same settings.
        ArtifactError: the store cannot be read or written.
    """
    from trtbench.sweep import estimate
    from trtbench.sweep import sweep as run
    from trtbench.sweep.executors import executor_for

    asked, where = read_plan(plan), open_store(store)
    if dry_run:
        return estimate(asked, where, workers)
    return run(asked, where, executor_for(asked, where, executor, workers, address, artifacts), on_step)
