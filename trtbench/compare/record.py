"""The stage: each subject in each runtime, recorded by a profiler and summed up side by side."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from trtbench.compare.cells import Cell
from trtbench.compare.grid import prepared_cells
from trtbench.compare.make import audit_files, make
from trtbench.compare.timing import make_arms
from trtbench.errors import ArtifactError, SpecError
from trtbench.measure.process import ArmProcess
from trtbench.progress import OnStep, Step, silent
from trtbench.results.trace import TraceReport
from trtbench.runtimes import runtime_entry
from trtbench.specs import Grid
from trtbench.store.artifacts import Store
from trtbench.store.files import file_name
from trtbench.trace.trace import Subject, report_on


def record(grid: Grid, store: Store, on_step: OnStep = silent, timeline: Path | None = None) -> TraceReport:
    """Export and build what is missing, run it in its runtime under torch's profiler, and sum the trace up.

    Traces are kept in the store, in ``results/``; what the profiler adds is seen against times of the same
    queries without it.

    Args:
        grid: subjects of one shape, and the runtimes; its GPU is that of the predictions.
        store: where artifacts and traces are kept.
        on_step: progress callback; subjects are keys of rows.
        timeline: where a timeline of the traces is written, for ui.perfetto.dev.

    Raises:
        SpecError: the request is wrong, or a runtime runs on no GPU or times itself.
        TrtbenchError: a subject cannot be made or run.
        ArtifactError: the store cannot be written.
    """
    for runtime in grid.runtimes:
        _check(runtime)
    cells = prepared_cells(grid, store, on_step)
    make(cells, store, lambda cell: 0, on_step)
    audit_files(cells)
    make_arms(cells, grid)
    for cell in cells:
        if cell.error is not None:
            raise cell.error
    labels = _labels([(cell.row.subject, str(cell.row.runtime)) for cell in cells])
    subjects = [
        recorded(cell, label, grid, store, on_step) for cell, label in zip(cells, labels, strict=True)
    ]
    return report_on(subjects, grid.gpu, timeline, on_step)


def _labels(named: Sequence[tuple[str, str]]) -> list[str]:
    """What sets them apart: the subject, the runtime, or both."""
    for field in (0, 1):
        if len({each[field] for each in named}) == len(named) > 1:
            return [each[field] for each in named]
    return [", ".join(each) for each in named]


def _check(runtime: str) -> None:
    entry = runtime_entry(runtime)
    if entry.times_itself:
        raise SpecError(
            f"runtime {runtime} runs by itself; name the layer profile that {runtime} --exportProfile writes"
        )
    if entry.device == "cpu":
        raise SpecError(f"runtime {runtime} runs on a CPU, where there are no kernels to record")


def recorded(cell: Cell, label: str, grid: Grid, store: Store, on_step: OnStep) -> Subject:
    """Record in a process of its own, after timing queries without a profiler."""
    if cell.arm is None:
        raise ValueError(f"{cell.key} has no arm")
    arm = cell.arm.spec(0)
    shape = f"-{cell.export.shape_name}" if cell.export else ""
    path = store.results / f"trace-{file_name(f'{cell.row.subject}{shape}-{arm.runtime}')}.json.gz"
    try:
        store.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{store.results}: cannot be written: {error.strerror}") from error
    with ArmProcess(arm, grid.bench, path.with_suffix(".log"), trace_path=path) as process:
        on_step(Step("trace", "load and warm up", subject=cell.key))
        process.prepare()
        on_step(Step("trace", "record", subject=cell.key))
        times_ms = next(iter(process.trace().values()))
    return Subject(path, label, cell.audit, median(times_ms))
