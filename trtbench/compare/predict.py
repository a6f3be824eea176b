"""The stage: each recipe of a grid exported, built and audited once, then predicted on one GPU."""

from trtbench.compare.cells import Cell
from trtbench.compare.grid import prepared_cells
from trtbench.compare.make import make
from trtbench.errors import SpecError
from trtbench.predict.engine import predict_engine
from trtbench.predict.fitted import calibration_of
from trtbench.predict.listing import gpu_entry
from trtbench.progress import OnStep, silent
from trtbench.results import PredictedSpeedup, Prediction, PredictionRow, Predictions
from trtbench.specs import GpuSpec, Grid
from trtbench.store.artifacts import Store


def predict(grid: Grid, gpu: GpuSpec, store: Store, on_step: OnStep = silent) -> Predictions:
    """Export, build and audit each recipe, and predict its time on ``gpu``; nothing is timed or verified.

    Engines are built for the target of ``gpu``, unless the grid names targets or a compiler for the local
    GPU only. Whatever fails after the checks is a row with its reason.

    Args:
        grid: recipes of one model, in this environment.
        gpu: where the engines would run; see ``find_gpu``.
        store: where artifacts are looked up and kept.
        on_step: progress callback; subjects are keys of rows.

    Raises:
        SpecError: the request is wrong, no rates fit the GPU, or an engine would not run on it.
        RuntimeUnavailable: nothing can be built on this machine.
        ArtifactError: the store cannot be read or written.
    """
    if not grid.exports:
        raise SpecError("nothing to predict: name at least one recipe, such as fp16")
    calibration_of(gpu)  # refuses a GPU without rates before anything is exported
    check_targets(gpu, grid.build.targets)
    cells = prepared_cells(built_for(gpu, grid), store, on_step)
    for cell in cells:
        check_targets(gpu, cell.build.targets if cell.build else ())
    make(cells, store, lambda cell: 0, on_step)
    return Predictions(
        model=grid.exports[0].model.name,
        gpu=gpu_entry(gpu),
        rows=with_speedups([_row(cell, gpu) for cell in cells]),
    )


def with_speedups(rows: list[PredictionRow]) -> tuple[PredictionRow, ...]:
    """Compare each row with the first of its shape; a first row that failed has nothing compared with it."""
    compared = []
    for row in rows:
        baseline = next(each for each in rows if each.shape == row.shape)
        compared.append(row)
        if row is not baseline and row.prediction and baseline.prediction:
            speedup = _speedup(baseline.key, baseline.prediction, row.prediction)
            compared[-1] = row.model_copy(update={"speedup": speedup})
    return tuple(compared)


def _speedup(key: str, baseline: Prediction, other: Prediction) -> PredictedSpeedup:
    return PredictedSpeedup(
        baseline=key,
        ratio=baseline.gpu_compute_ms / other.gpu_compute_ms,
        interval=(
            baseline.interval_ms[0] / other.interval_ms[1],
            baseline.interval_ms[1] / other.interval_ms[0],
        ),
        # Misses of either interval add at worst.
        coverage=max(0.0, baseline.coverage + other.coverage - 1),
    )


def built_for(gpu: GpuSpec, grid: Grid) -> Grid:
    """The grid with its engines built for ``gpu``, where it leaves that open."""
    if grid.build.targets or grid.build.backend not in (None, "tensorrt_rtx"):
        return grid
    return grid.model_copy(update={"build": grid.build.model_copy(update={"targets": (gpu.target,)})})


def check_targets(gpu: GpuSpec, targets: tuple[str, ...]) -> None:
    """Refuse targets without that of ``gpu``; none are still open."""
    if targets and gpu.target not in targets:
        raise SpecError(
            f"engines for {', '.join(targets)} do not run on {gpu.title} ({gpu.target}): "
            f"use --target {gpu.target} or another --gpu"
        )


def _row(cell: Cell, gpu: GpuSpec) -> PredictionRow:
    row = cell.row
    if row.recipe is None or row.batch is None:
        raise ValueError(f"{cell.key} is no recipe")
    prediction = None
    if cell.audit is not None and cell.is_live:
        try:
            prediction = predict_engine(cell.audit, gpu, row.batch)
        except SpecError as error:  # such as a precision that the GPU lacks
            cell.fail(error)
    return PredictionRow(
        key=cell.key,
        recipe=row.recipe,
        batch=row.batch,
        img_size=row.img_size,
        status=cell.row.status,
        reason=cell.row.reason,
        code=cell.row.code,
        targets=cell.row.targets,
        prediction=prediction,
    )
