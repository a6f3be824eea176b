"""The stage: every cell of a grid made once, timed side by side, judged, and kept."""

from collections.abc import Sequence

from trtbench.compare.cells import Cell, cells_of
from trtbench.compare.check import check_cells, check_grid
from trtbench.compare.differences import differences_between
from trtbench.compare.fidelity import verifying
from trtbench.compare.make import audit_files, make
from trtbench.compare.places import places_of
from trtbench.compare.predicted import (
    built_for,
    check_targets,
    predict_cells,
    predicted_gpu,
    with_predictions,
)
from trtbench.compare.recommend import with_recommendations
from trtbench.compare.timing import is_timed, make_arms, time_cells, verdicts_on
from trtbench.errors import SpecError
from trtbench.host.hardware import collect_environment
from trtbench.progress import OnStep, silent
from trtbench.results import Comparison, Environment
from trtbench.specs import ExportSpec, Grid
from trtbench.store.artifacts import Store
from trtbench.store.results import save_result


def compare(grid: Grid, store: Store, on_step: OnStep = silent) -> Comparison:
    """Export, build, audit, predict and verify each cell, time those that can run here, and judge them.

    What a cell lacks is known before anything is exported; whatever fails later is a row with its reason, and
    the others go on. All that is timed is timed in one run, which an interrupted command takes up again. The
    result is kept in the store if anything was timed.

    Args:
        grid: what is compared.
        store: where artifacts and results are looked up and kept.
        on_step: progress callback; subjects are keys of rows, and words of environments.

    Raises:
        SpecError: the request is wrong (unknown model, runtime, target or option).
        RuntimeUnavailable: nothing in the grid can be built or timed on this machine.
        MeasureError: another process has the GPU, and ``grid.exclusive``.
        ArtifactError: the store cannot be read or written.
    """
    if grid.gpu is not None:
        check_targets(grid.gpu, grid.build.targets)
        grid = built_for(grid.gpu, grid)
    cells = prepared_cells(grid, store, on_step)
    _check_files(cells)
    gpu = predicted_gpu(cells, grid)
    machine = collect_environment()
    with verifying(cells, grid.inputs, store, on_step) as verify:
        make(cells, store, lambda cell: grid.rebuilds if is_timed(cell) else 0, on_step, verify)
    audit_files([cell for cell in cells if cell.row.runtime is None])
    predict_cells(cells, gpu, has_layers=False)
    make_arms(cells, grid)
    measured = time_cells(cells, grid, store, machine, title_of("compare", cells), on_step)
    comparison = with_predictions(comparison_of(cells, machine), cells, gpu)
    comparison = comparison.model_copy(update={"differences": differences_between(cells, on_step)})
    if measured is None:
        return with_recommendations(comparison)
    comparison = comparison.model_copy(update={"verdicts": verdicts_on(cells, measured), "gpu": measured.gpu})
    comparison = with_recommendations(comparison)
    save_result(store, measured.name, comparison)
    return comparison


def _check_files(cells: Sequence[Cell]) -> None:
    for cell in cells:
        file = cell.file
        if cell.row.runtime is None and file and not file.is_model and file.engine is None:
            raise SpecError(f"name a --runtime to time {file.path} in, such as onnxruntime-cpu")


def prepared_cells(grid: Grid, store: Store, on_step: OnStep) -> list[Cell]:
    """The cells of a grid, checked: those that cannot work on this machine have failed already.

    Raises:
        SpecError: the request is wrong.
        RuntimeUnavailable: no cell can work.
        ArtifactError: a file is damaged, or there is no room.
    """
    check_grid(grid)
    cells = cells_of(grid, places_of(grid.environments, bool(grid.runtimes), store, on_step))
    check_cells(cells, grid, store, on_step)
    return cells


def comparison_of(cells: Sequence[Cell], machine: Environment) -> Comparison:
    """Put the rows side by side, with what is known of their environments."""
    reasons = dict.fromkeys(cell.not_timed for cell in cells if cell.not_timed)
    records = {cell.place.word: cell.place.record for cell in cells if cell.place.record}
    export = _first_export(cells)
    return Comparison(
        environment=machine,
        model=export.model.name if export else None,
        rows=tuple(cell.row for cell in cells),
        environments=tuple(records.values()),
        not_timed="; ".join(reasons) or None,
    )


def title_of(verb: str, cells: Sequence[Cell]) -> str:
    """What the run is called in the store: the model and, of a single one, the shape."""
    export = _first_export(cells)
    if export is None:
        return f"{verb}-files"
    shape = f"-{export.shape_name}" if len({cell.shape for cell in cells}) == 1 else ""
    return f"{verb}-{export.model.name}{shape}"


def _first_export(cells: Sequence[Cell]) -> ExportSpec | None:
    return next((cell.export for cell in cells if cell.export), None)
