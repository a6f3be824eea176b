"""The stage: all cells of a plan, each made, predicted and timed once, wherever there is a worker for it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import trtbench
from trtbench.export import EXPORT_REVISION
from trtbench.host.hardware import collect_environment
from trtbench.progress import OnStep, Step, silent
from trtbench.results import Cost, Phase, Sweep, SweepLine, SweepRow
from trtbench.results.rows import Row
from trtbench.specs import SweepCell, SweepPlan, canonical_hash
from trtbench.specs.sweep import ALL_STAGES
from trtbench.store.artifacts import Store
from trtbench.store.files import file_name, writing
from trtbench.store.journal import Journal, open_journal
from trtbench.store.results import save_result
from trtbench.sweep.analysis import analyses_of
from trtbench.sweep.executors import Executor
from trtbench.sweep.schedule import run_all
from trtbench.sweep.work import TIMED, Task
from trtbench.units import format_seconds

# Part of the name of every journal: raise it when the same cells are to be done anew.
_REVISION = "1"
_HERE = (None, "tensorrt_rtx")
"""Runtimes whose engines are built without a GPU."""

PHASES: tuple[Phase, ...] = ("make", "time")
_TELL_S = 2.0
Lines = Mapping[tuple[str, Phase], SweepLine]
"""By key of the cell and phase."""


def sweep(plan: SweepPlan, store: Store, executor: Callable[[], Executor], on_step: OnStep = silent) -> Sweep:
    """Export, build and audit each cell, and predict, verify, time and trace what the plan and workers allow.

    A cell that fails is a row with its reason. Each finished cell is kept in a journal: an interrupted sweep
    resumes, and a plan with more values does what is new. The result is kept in the store.

    Args:
        plan: the grid.
        store: where artifacts, results and finished cells are looked up and kept.
        executor: starts what does the work.
        on_step: progress callback, with the cost so far.

    Raises:
        RuntimeUnavailable: the executor is missing.
        MeasureError: another process is sweeping with the same settings.
        ArtifactError: the store cannot be read or written.
    """
    cells = list(plan.cells())
    with open_lines(plan, store) as journal:
        run = _Run(plan, journal, on_step, total=len(cells))
        with executor() as workers:
            run_all(run.first_tasks(cells, workers.why_not_timed), workers, run.keep)
        result = merged(plan, cells, run.lines, run.cost, run.not_timed)
        grid = canonical_hash(plan.model_dump(mode="json"))
        save_result(store, f"sweep-{journal_name(plan)}-{grid[:8]}", result)
    return result


def merged(
    plan: SweepPlan,
    cells: Iterable[SweepCell],
    lines: Lines,
    cost: Cost,
    not_timed: Callable[[SweepCell], str | None] = lambda cell: None,
) -> Sweep:
    """Put the lines of each cell into its row, and say what the factors do.

    ``not_timed``: why a cell was not to be timed, although the plan asks for it.
    """
    rows = tuple(_row(cell, lines, not_timed(cell)) for cell in cells)
    return Sweep(plan=plan, rows=rows, cost=cost, analyses=analyses_of(rows))


def journal_name(plan: SweepPlan) -> str:
    """The name of the plan, and a hash of all that affects its cells but for the cells themselves."""
    machine = collect_environment()
    stages = sorted(plan.stages or ALL_STAGES)
    gpus = [gpu.name for gpu in machine.gpus]
    versions = [_REVISION, EXPORT_REVISION, trtbench.__version__, machine.packages]
    identity = canonical_hash([versions, gpus, stages])
    return f"{file_name(plan.name)}-{identity[:16]}"


@contextmanager
def open_lines(plan: SweepPlan, store: Store) -> Iterator[Journal[SweepLine]]:
    """Open what was done already with the settings of the plan.

    Raises:
        MeasureError: another process is sweeping with the same settings.
        ArtifactError: the journal is damaged, or cannot be written.
    """
    folder = store.results / "sweep"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with open_journal(folder / f"{journal_name(plan)}.jsonl", SweepLine) as journal:
        yield journal


@dataclass
class _Run:
    """A sweep in progress: finished lines, and what follows from them."""

    plan: SweepPlan
    journal: Journal[SweepLine]
    on_step: OnStep
    total: int
    lines: dict[tuple[str, Phase], SweepLine] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    start_s: float = field(default_factory=time.monotonic)
    failures: int = 0
    told_s: float = 0.0
    ended: int = 0
    """Cells of which nothing is left to do; ``before``: when this run began."""
    before: int = 0

    @property
    def stages(self) -> frozenset[str]:
        return frozenset(self.plan.stages or ALL_STAGES)

    def first_tasks(
        self, cells: Sequence[SweepCell], why_not_timed: Callable[[str | None], str | None]
    ) -> list[Task]:
        """What can begin at once, model by model: what is left of each."""
        self.why_not_timed = why_not_timed
        self.lines = {(line.key, line.phase): line for line in self.journal.lines}
        tasks = [task for group in by_model(cells) for task in self._next_tasks(group)]
        self.before = self.ended = self.total - len({cell.key for task in tasks for cell in task.cells})
        self._tell()
        return tasks

    def keep(self, task: Task, lines: Sequence[SweepLine], duration_s: float, cost: Cost) -> Iterable[Task]:
        """Keep the lines of a task; a failed one until the end of the program, so that it is tried again."""
        self.cost = cost
        each_s = round(duration_s / len(lines), 3)
        ended = [line.model_copy(update={"duration_s": each_s}) for line in lines]
        self.lines.update({(line.key, line.phase): line for line in ended})
        self.failures += sum(line.reason is not None for line in ended)
        for line in ended:
            if line.reason is None:
                self.journal.append(line, at_once=False)
        following = self._next_tasks(task.cells)
        self.ended += len(task.cells) - sum(len(each.cells) for each in following)
        self._tell()
        return following

    def _next_tasks(self, cells: Sequence[SweepCell]) -> list[Task]:
        """The next phase of these cells of one model; none of a cell that failed or is finished."""
        waiting: dict[tuple[Phase, str | None], list[SweepCell]] = {}
        for cell in cells:
            found = [self.lines.get((cell.key, phase)) for phase in PHASES]
            has_failed = any(line is not None and line.reason is not None for line in found)
            phase = next((each for each in self._phases(cell) if (cell.key, each) not in self.lines), None)
            if phase is not None and not has_failed:
                waiting.setdefault((phase, cell.gpu if phase == "time" else None), []).append(cell)
        return [self._task(tuple(left), phase) for (phase, _), left in waiting.items()]

    def _task(self, cells: tuple[SweepCell, ...], phase: Phase) -> Task:
        made_before = cells[0].runtime in _HERE
        stages = self.stages - TIMED if phase == "make" else self.stages
        return Task(cells, phase, stages & TIMED if phase == "time" and made_before else stages)

    def _phases(self, cell: SweepCell) -> tuple[Phase, ...]:
        is_timed = bool(TIMED & self.stages) and self.not_timed(cell) is None
        made: tuple[Phase, ...] = ("make",) if cell.runtime in _HERE else ()
        return (*made, "time") if is_timed else made

    def not_timed(self, cell: SweepCell) -> str | None:
        """Why the plan's times leave the cell out; a runtime that is named says itself what it lacks."""
        if not TIMED & self.stages or cell.runtime is not None:
            return None
        return self.why_not_timed(cell.gpu)

    def _tell(self) -> None:
        """Report how far the sweep is: at its begin and end, and now and then between them."""
        now_s = time.monotonic()
        if self.before < self.ended < self.total and now_s - self.told_s < _TELL_S:
            return
        self.told_s = now_s
        fresh = self.ended - self.before
        left_s = None
        if fresh:
            left_s = (time.monotonic() - self.start_s) / fresh * (self.total - self.ended)
        spent = f"{format_seconds(self.cost.worker_s)} of workers"
        if self.cost.gpu_s:
            spent += f", {format_seconds(self.cost.gpu_s)} of GPUs"
        text = f"cells; {spent}" + f", {self.failures} failed" * bool(self.failures)
        self.on_step(Step("build", text, self.ended, self.total, left_s=left_s))


def by_model(cells: Iterable[SweepCell]) -> Iterator[list[SweepCell]]:
    """Cells that share a model and a shape."""
    groups: dict[object, list[SweepCell]] = {}
    for cell in cells:
        groups.setdefault((cell.model, cell.heads, cell.image, cell.batch), []).append(cell)
    yield from groups.values()


def _row(cell: SweepCell, lines: Lines, not_timed: str | None) -> SweepRow:
    found = [line for phase in PHASES if (line := lines.get((cell.key, phase)))]
    wrong = next((line for line in found if line.reason is not None), None)
    values: Row = {"not_timed": not_timed} if not_timed else {}
    values |= {name: value for line in found for name, value in line.values.items()}
    return SweepRow.model_construct(
        cell=cell,
        status="failed" if wrong else "ok",
        reason=wrong.reason if wrong else None,
        code=wrong.code if wrong else None,
        values=_with_model(cell, values),
    )


def _with_model(cell: SweepCell, values: Row) -> Row:
    """With the size of the model, and its work per second: what a GPU does of what it could."""
    flops = cell.sizes.flops(cell.image) * cell.batch
    row: Row = {"model_parameters": cell.sizes.parameters(cell.image), "model_flops": flops, **values}
    for kind, name in (("predicted", "gpu_compute_ms"), ("measured", "gpu_compute_median_ms")):
        milliseconds = values.get(f"{kind}_{name}")
        if isinstance(milliseconds, int | float) and milliseconds:
            row[f"{kind}_tflop_per_s"] = flops / float(milliseconds) / 1e9
    return row
