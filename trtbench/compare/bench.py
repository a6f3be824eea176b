"""The stage: one subject in one runtime, timed at one shape or several, or against itself."""

from pathlib import Path

from trtbench.build.choice import default_backend
from trtbench.compare.cells import Cell
from trtbench.compare.files import engine_backend
from trtbench.compare.grid import comparison_of, prepared_cells, title_of
from trtbench.compare.make import make
from trtbench.compare.timing import make_arms, time_cells
from trtbench.host.hardware import collect_environment
from trtbench.measure.aa import compare_with_itself
from trtbench.progress import OnStep, silent
from trtbench.results import AaReport, Comparison, Measurement
from trtbench.specs import Grid
from trtbench.store.artifacts import Store
from trtbench.store.results import save_result


def bench(grid: Grid, store: Store, on_step: OnStep = silent) -> Measurement | Comparison:
    """Export and build what is missing and time it: one cell, or one at several shapes as a comparison.

    The result is kept in the store. A model that cannot be exported or built at one of several shapes is a
    failed row.

    Raises:
        SpecError: the request is wrong.
        TrtbenchError: the only cell cannot be made, or nothing can be timed here.
    """
    machine = collect_environment()
    cells = _made(grid, store, on_step)
    measured = time_cells(cells, grid, store, machine, title_of("bench", cells), on_step)
    if len(cells) > 1 or measured is None:
        comparison = comparison_of(cells, machine)
        if measured is not None:
            comparison = comparison.model_copy(update={"gpu": measured.gpu})
            save_result(store, measured.name, comparison)
        return comparison
    measurement = measured.measurements[0].model_copy(update={"environment": machine})
    save_result(store, measured.name, measurement)
    return measurement


def bench_against_itself(grid: Grid, comparisons: int, store: Store, on_step: OnStep = silent) -> AaReport:
    """Compare the only cell with itself, to see how often verdicts are wrong; the store keeps the report.

    Raises:
        SpecError: the request is wrong.
        TrtbenchError: the cell cannot be made or timed.
    """
    machine = collect_environment()
    (cell,) = _made(grid, store, on_step)
    if cell.arm is None:
        raise ValueError(f"{cell.key} has no arm")
    return compare_with_itself(cell.arm, grid.bench, comparisons, store, on_step, machine, grid.exclusive)


def _made(grid: Grid, store: Store, on_step: OnStep) -> list[Cell]:
    """The cells with their arms; the only one raises what it fails with."""
    if not grid.runtimes:
        grid = grid.model_copy(update={"runtimes": (_default_runtime(grid),)})
    cells = prepared_cells(grid, store, on_step)
    make(cells, store, lambda _: grid.rebuilds, on_step)
    make_arms(cells, grid)
    if len(cells) == 1 and cells[0].error is not None:
        raise cells[0].error
    return cells


def _default_runtime(grid: Grid) -> str:
    """The namesake of the compiler: of an engine its own."""
    backend = engine_backend(Path(grid.files[0])) if grid.files else None
    return backend or grid.build.backend or default_backend(grid.build.targets)
