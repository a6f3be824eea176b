"""The stage: every cell of a grid made once and predicted on one GPU."""

from trtbench.compare.grid import comparison_of, prepared_cells
from trtbench.compare.make import audit_files, make
from trtbench.compare.predicted import (
    built_for,
    check_targets,
    predict_cells,
    predicted_gpu,
    with_predictions,
)
from trtbench.compare.recommend import with_recommendations
from trtbench.errors import SpecError
from trtbench.host.hardware import collect_environment
from trtbench.progress import OnStep, silent
from trtbench.results import Comparison
from trtbench.specs import Grid
from trtbench.store.artifacts import Store


def predict(grid: Grid, store: Store, on_step: OnStep = silent) -> Comparison:
    """Export, build and audit each cell, and predict its time; nothing is timed, verified or kept.

    Engines are built for the target of the GPU that the grid names, unless it names targets or a compiler for
    the local GPU only. Whatever fails after the checks is a row with its reason. Unlike those of ``compare``,
    predictions hold every layer.

    Args:
        grid: recipes of one model, or artifacts.
        store: where artifacts are looked up and kept.
        on_step: progress callback; subjects are keys of rows.

    Raises:
        SpecError: the request is wrong, no rates fit the GPU, an engine would not run on it, or a file is
            neither a model nor an engine of a store.
        RuntimeUnavailable: nothing can be built on this machine.
        ArtifactError: the store cannot be read or written.
    """
    cells = prepared_cells(built_for(grid.gpu, grid) if grid.gpu else grid, store, on_step)
    gpu = predicted_gpu(cells, grid)
    for cell in cells:
        if cell.file is not None and not cell.file.is_model and cell.file.engine is None:
            raise SpecError(
                f"{cell.file.path}: the layers of a bare engine are not known; name an engine of a store"
            )
        if gpu is not None:
            check_targets(gpu, cell.targets)
    make(cells, store, lambda cell: 0, on_step)
    audit_files(cells)
    predict_cells(cells, gpu, has_layers=True)
    comparison = with_predictions(comparison_of(cells, collect_environment()), cells, gpu)
    return with_recommendations(comparison)
