"""What a sweep would take: by a model of one cell, scaled to the cells that are done."""

from collections.abc import Iterable, Sequence

from trtbench.results import SweepEstimate, SweepLine
from trtbench.specs import SweepCell, SweepPlan
from trtbench.specs.recipe import Precision
from trtbench.store.artifacts import Store
from trtbench.sweep.executors import default_workers
from trtbench.sweep.sweep import by_model, open_lines

_BYTES = {
    Precision.FP32: 4.0,
    Precision.FP16: 2.0,
    Precision.BF16: 2.0,
    Precision.INT8: 1.0,
    Precision.FP8: 1.0,
    Precision.MXFP8: 1.03,
    Precision.NVFP4: 0.57,
}
"""Of a weight in its precision, with its scales."""
_COPIES = 2
"""An ONNX model and an engine."""
_FIXED_S, _BLOCK_S, _PARAMETERS_PER_S = 4.0, 0.6, 10e6
"""Guesses: seconds of a core for a cell and for each block of it, and weights that it writes in one."""
_FEWEST = 3
"""Cells that are done before their times count."""


def estimate(plan: SweepPlan, store: Store, workers: int | None) -> SweepEstimate:
    """Count the cells of a plan, and say how long they take and what they leave on the disk.

    Raises:
        MeasureError: another process is sweeping with the same settings.
        ArtifactError: the journal is damaged.
    """
    cells = list(plan.cells())
    with open_lines(plan, store) as journal:
        done = {line.key: line for line in journal.lines}
    left = [cell for cell in cells if cell.key not in done]
    finished = [(cell, done[cell.key]) for cell in cells if cell.key in done]
    workers = workers or default_workers(plan)
    time_scale, disk_scale, basis = _scales(finished)
    named = plan.model_copy(update={"skip": ()})
    return SweepEstimate(
        plan=plan,
        cells=len(cells),
        models=sum(1 for _ in by_model(cells)),
        done=len(finished),
        duplicates=plan.combinations - named.distinct,
        skipped=named.distinct - len(cells),
        workers=workers,
        duration_s=time_scale * sum(map(_seconds, left)) / workers,
        disk_bytes=round(disk_scale * sum(map(_disk_bytes, left))),
        basis=basis,
    )


def _scales(finished: Sequence[tuple[SweepCell, SweepLine]]) -> tuple[float, float, str]:
    """Time and disk of the finished cells over what the model says, and where the estimate comes from."""
    if len(finished) < _FEWEST:
        return 1.0, 1.0, "a rough guess by depth and weights of each cell; three finished cells replace it"
    seconds = sum(line.duration_s for _, line in finished) / sum(_seconds(cell) for cell, _ in finished)
    kept = sum(_kept_bytes(line) for _, line in finished) / sum(_disk_bytes(cell) for cell, _ in finished)
    return seconds, kept, f"{len(finished)} cells done here, scaled by depth and weights"


def _kept_bytes(line: SweepLine) -> float:
    sizes: Iterable[object] = (line.values.get(f"{kind}_size_bytes") for kind in ("onnx", "engine"))
    return sum(size for size in sizes if isinstance(size, int))


def _seconds(cell: SweepCell) -> float:
    parameters = cell.sizes.parameters(cell.image)
    return _FIXED_S + _BLOCK_S * cell.depth + parameters / _PARAMETERS_PER_S


def _disk_bytes(cell: SweepCell) -> float:
    return _COPIES * _BYTES[cell.recipe.precision] * cell.sizes.parameters(cell.image)
