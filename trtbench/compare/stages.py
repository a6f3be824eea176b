"""The cells of a grid through the stages that were asked for: what a sweep does with one model."""

from collections.abc import Collection

from trtbench.compare.cells import Cell
from trtbench.compare.fidelity import verifying
from trtbench.compare.grid import prepared_cells, title_of
from trtbench.compare.make import make
from trtbench.compare.predicted import built_for, predict_cells, predicted_gpu
from trtbench.compare.record import recorded
from trtbench.compare.timing import make_arms, time_cells
from trtbench.errors import TrtbenchError
from trtbench.host.hardware import collect_environment
from trtbench.progress import OnStep, silent
from trtbench.results.trace import Trace
from trtbench.runtimes import runtime_entry
from trtbench.specs import Grid
from trtbench.store.artifacts import Store
from trtbench.trace.trace import report_on


def cells_through(
    grid: Grid, stages: Collection[str], store: Store, on_step: OnStep = silent
) -> list[tuple[Cell, Trace | None]]:
    """Export, build and audit each cell, and what ``stages`` name: predict, verify, bench, trace.

    Whatever fails after the checks is a row with its reason. Nothing but artifacts, samples and traces is
    kept. ``bench`` and ``trace`` leave out what cannot run here.

    Raises:
        SpecError: the request is wrong.
        RuntimeUnavailable: no cell can work on this machine.
        ArtifactError: the store cannot be read or written.
    """
    cells = prepared_cells(built_for(grid.gpu, grid) if grid.gpu else grid, store, on_step)
    gpu = predicted_gpu(cells, grid)
    if "verify" in stages:
        with verifying(cells, grid.inputs, store, on_step) as verify:
            make(cells, store, lambda _: 0, on_step, verify)
    else:
        make(cells, store, lambda _: 0, on_step)
    if "predict" in stages:
        predict_cells(cells, gpu, has_layers=False)
    if {"bench", "trace"} & set(stages):
        make_arms(cells, grid)
    if "bench" in stages:
        time_cells(cells, grid, store, collect_environment(), title_of("sweep", cells), on_step)
    return [(cell, _trace(cell, grid, store, on_step) if "trace" in stages else None) for cell in cells]


def _trace(cell: Cell, grid: Grid, store: Store, on_step: OnStep) -> Trace | None:
    if cell.arm is None or not cell.is_live or runtime_entry(str(cell.row.runtime)).device != "cuda":
        return None
    try:
        subject = recorded(cell, cell.key, grid, store, on_step)
        return report_on([subject], grid.gpu, None, on_step).traces[0]
    except TrtbenchError as error:
        cell.fail(error)
        return None
