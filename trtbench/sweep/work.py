"""One piece of a sweep: a model at one shape in its recipes, in whatever process does it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from trtbench.compare import cells_through
from trtbench.compare.cells import Cell
from trtbench.errors import TrtbenchError
from trtbench.predict.gpus import find_gpu
from trtbench.results import Phase, SweepLine
from trtbench.results.rows import Row
from trtbench.results.trace import Trace
from trtbench.specs import Grid, SweepCell, SweepPlan
from trtbench.specs.sweep import ALL_STAGES
from trtbench.store.artifacts import Store
from trtbench.units import one_line

TIMED = frozenset({"bench", "trace"})
"""Stages that need a GPU to themselves."""


@dataclass(frozen=True)
class Task:
    """Cells of one model at one shape; what they share is made once.

    ``stages``: what follows the build and the audit; ``phase``: ``time`` is work that needs a GPU.
    """

    cells: tuple[SweepCell, ...]
    phase: Phase
    stages: frozenset[str]

    @property
    def gpu(self) -> str | None:
        """Type of the GPU, which times share."""
        return self.cells[0].gpu

    @property
    def model(self) -> tuple[object, ...]:
        """What tells its model and shape apart."""
        cell = self.cells[0]
        return cell.model, cell.heads, cell.image, cell.batch


OnMade = Callable[[Path], None]
"""Called with the folder of each artifact that a task made or found."""
Work = Callable[[Task, Store, OnMade], list[SweepLine]]
"""What a worker does with a task."""


def times_anything(plan: SweepPlan) -> bool:
    """Whether a plan asks for times or traces."""
    return bool(TIMED & set(plan.stages or ALL_STAGES))


def ignore(folder: Path) -> None:
    """Keep artifacts where they are."""


def run_task(task: Task, store: Store, on_made: OnMade = ignore) -> list[SweepLine]:
    """Do one piece of work; a cell that fails is a line with its reason."""
    try:
        return list(_lines(task, store, on_made))
    except Exception as error:  # one cell must never stop the others, whatever a library raises
        if len(task.cells) == 1:
            return failed(task, error)
    # What is wrong with one cell refuses all of its grid.
    return [line for cell in task.cells for line in run_task(replace(task, cells=(cell,)), store, on_made)]


def failed(task: Task, error: Exception) -> list[SweepLine]:
    """A line for each cell of a task that failed as a whole."""
    reason = str(error) if isinstance(error, TrtbenchError) else f"{type(error).__name__}: {one_line(error)}"
    code = error.code if isinstance(error, TrtbenchError) else None
    return [SweepLine(key=each.key, phase=task.phase, reason=reason, code=code) for each in task.cells]


def _lines(task: Task, store: Store, on_made: OnMade) -> Iterator[SweepLine]:
    for cells in _grids(task.cells):
        first = cells[0]
        grid = Grid(
            exports=tuple(cell.export for cell in cells),
            runtimes=(first.runtime,) if first.runtime and task.phase == "time" else (),
            gpu=find_gpu(first.gpu) if first.gpu else None,
        )
        made = cells_through(grid, task.stages, store)
        for cell, (found, trace) in zip(cells, made, strict=True):
            for artifact in (found.onnx, *found.engines):
                if artifact is not None:
                    on_made(artifact.directory)
            yield _line(cell, task, found, trace)


def _grids(cells: Iterable[SweepCell]) -> Iterator[list[SweepCell]]:
    """Cells that differ in their recipes alone."""
    groups: dict[object, list[SweepCell]] = {}
    for cell in cells:
        groups.setdefault((cell.runtime, cell.gpu), []).append(cell)
    yield from groups.values()


def _line(cell: SweepCell, task: Task, found: Cell, trace: Trace | None) -> SweepLine:
    row = found.row
    values: Row = {name: value for name, value in row.found().items() if value is not None}
    values |= {"not_timed": found.not_timed} if found.not_timed and TIMED & task.stages else {}
    values |= {"not_predicted": row.not_predicted} if row.not_predicted else {}
    if trace is not None:
        values |= {name: value for name, value in trace.columns().items() if value is not None}
    return SweepLine(key=cell.key, phase=task.phase, reason=row.reason, code=row.code, values=values)
