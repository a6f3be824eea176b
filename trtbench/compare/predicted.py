"""Predicted times of cells: on which GPU, of which engines, and how they compare."""

from collections.abc import Sequence

from trtbench.compare.cells import Cell, pairs_of
from trtbench.errors import RuntimeUnavailable, SpecError, TrtbenchError
from trtbench.host.hardware import first_gpu
from trtbench.predict.block import block_kernels
from trtbench.predict.engine import predict_engine
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.predict.listing import gpu_entry
from trtbench.predict.pricing import price
from trtbench.predict.speedup import predicted_speedup
from trtbench.predict.waterfall import waterfall_of
from trtbench.results import Audit, Comparison, Waterfall
from trtbench.results.prediction import PredictedSpeedup, Prediction
from trtbench.specs import GpuSpec, Grid
from trtbench.specs.recipe import Recipe


def predicted_gpu(cells: Sequence[Cell], grid: Grid) -> GpuSpec | None:
    """The GPU that all cells are predicted on; None where there is none for their targets.

    That is the one that the grid names; else the local GPU, where the table of GPUs has it and an engine is
    for it; else the first of the table that has kernel times of its own and runs an engine: for sm120 the
    RTX PRO 6000 Server Edition.
    """
    targets = {target for cell in cells for target in cell.targets}
    gpu = grid.gpu
    if gpu is None:
        measured = [each for each in known_gpus() if each.name == each.calibrated_on]
        gpu = next((each for each in (*_local_gpu(), *measured) if each.target in targets), None)
    return gpu if gpu is None or grid.clock_mhz is None else gpu.at_clock(grid.clock_mhz)


def _local_gpu() -> tuple[GpuSpec, ...]:
    try:
        return (find_gpu(first_gpu().name),)
    except (RuntimeUnavailable, SpecError):  # there is none, or the table lacks it
        return ()


def built_for(gpu: GpuSpec, grid: Grid) -> Grid:
    """The grid with its engines built for ``gpu``, where it leaves that open."""
    if grid.build.targets or grid.build.backend not in (None, "tensorrt_rtx"):
        return grid
    return grid.model_copy(update={"build": grid.build.model_copy(update={"targets": (gpu.target,)})})


def check_targets(gpu: GpuSpec, targets: tuple[str, ...]) -> None:
    """Refuse targets without that of ``gpu``; none are still open.

    Raises:
        SpecError: there are some, and it is not among them.
    """
    if targets and gpu.target not in targets:
        raise SpecError(
            f"engines for {', '.join(targets)} do not run on {gpu.title} ({gpu.target}): "
            f"use --target {gpu.target} or another --gpu"
        )


def predict_cells(cells: Sequence[Cell], gpu: GpuSpec | None, has_layers: bool) -> None:
    """Write into the row of every audited engine how long it takes on ``gpu``, or why that is not known.

    A predicted row also gets its waterfall and the kernels of one block.

    ``has_layers``: beside the sums by role and kind of kernel, also each layer, up to 66 kB a row of a ViT-B.
    """
    for cell in cells:
        if cell.audit is not None:
            try:
                found = _prediction(cell, gpu)
                block = block_kernels(cell.audit.layers, found)
                kept = found if has_layers else found.model_copy(update={"layers": ()})
                cell.tell(predicted=kept, block=block)
                cell.tell(waterfall=_waterfall(cell.audit, cell.row.recipe, found, gpu))
            except TrtbenchError as error:
                cell.tell(not_predicted=str(error))


def _waterfall(
    audit: Audit, recipe: Recipe | None, prediction: Prediction, gpu: GpuSpec | None
) -> Waterfall | None:
    """None of a file that says no recipe, or of a recipe that the GPU has no tensor cores for."""
    if gpu is None or recipe is None:
        return None
    try:
        return waterfall_of(price(audit.layers, gpu), recipe, prediction)
    except SpecError:
        return None


def _prediction(cell: Cell, gpu: GpuSpec | None) -> Prediction:
    if gpu is None:
        raise SpecError(
            f"no GPU with published kernel times runs engines for {', '.join(cell.targets)}; "
            "name one with --gpu (trtbench gpus lists them)"
        )
    if cell.audit is None:
        raise ValueError(f"{cell.key} has no audit")
    check_targets(gpu, cell.targets)
    # A bare ONNX file has its batch in the shape of its input only.
    batch = cell.row.batch or next(iter(cell.audit.inputs.values()))[0]
    return predict_engine(cell.audit, gpu, batch)


def with_predictions(comparison: Comparison, cells: Sequence[Cell], gpu: GpuSpec | None) -> Comparison:
    """The comparison with the GPU that its rows are predicted on, and with their speed-ups."""
    if gpu is None or not any(row.predicted for row in comparison.rows):
        return comparison
    return comparison.model_copy(
        update={"predicted_on": gpu_entry(gpu), "predicted_speedups": _speedups(cells)}
    )


def _speedups(cells: Sequence[Cell]) -> tuple[PredictedSpeedup, ...]:
    return tuple(
        predicted_speedup(baseline.key, baseline.row.predicted, cell.key, cell.row.predicted)
        for cell, baseline in pairs_of(cells)
        if cell.row.predicted
        and baseline.row.predicted
        # Files are timed against each other whatever their shape; times of unlike work have no ratio.
        and (cell.row.batch, cell.row.img_size) == (baseline.row.batch, baseline.row.img_size)
    )
