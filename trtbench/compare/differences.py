"""What changes in the engine of a recipe from one environment to another."""

from collections.abc import Sequence

from trtbench.compare.cells import Cell
from trtbench.diff import AuditedEngine, diff_engines
from trtbench.progress import OnStep, Step
from trtbench.results import EngineDifference


def differences_between(cells: Sequence[Cell], on_step: OnStep) -> tuple[EngineDifference, ...]:
    """Each engine against that of its subject, shape and runtime in the first environment that has one."""
    first: dict[tuple[object, ...], Cell] = {}
    found = []
    for cell in cells:
        baseline = (
            first.setdefault((cell.row.subject, cell.shape, cell.asked_runtime), cell) if cell.audit else cell
        )
        if baseline is cell:
            continue
        on_step(Step("audit", "align the compiled layers", subject=cell.key))
        diff = diff_engines(_audited(baseline), _audited(cell))
        found.append(EngineDifference(before=baseline.key, after=cell.key, diff=diff))
    return tuple(found)


def _audited(cell: Cell) -> AuditedEngine:
    if cell.audit is None:
        raise ValueError(f"{cell.key} has no audit")
    return AuditedEngine(cell.engines[0], cell.audit)
