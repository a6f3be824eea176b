"""Time what can be timed of the cells, all in one run, and judge each against its baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trtbench.compare.cells import Cell, pairs_of
from trtbench.errors import RuntimeUnavailable, SpecError, TrtbenchError
from trtbench.host.hardware import first_gpu, read_gpus
from trtbench.measure.arms import arm_of_engines, arm_of_file, arm_of_model, arm_of_onnx
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import Measured, measure_side_by_side
from trtbench.measure.verdict import baseline_failed, incomparable
from trtbench.progress import OnStep
from trtbench.results import NO_GPU, Environment, Verdict
from trtbench.runtimes import runtime_entry
from trtbench.specs import Grid
from trtbench.store.artifacts import Store


def why_not_timed(targets: Sequence[str]) -> str | None:
    """Why engines for these targets do not run on this machine's first GPU; None if they do."""
    try:
        gpu = first_gpu()
    except RuntimeUnavailable as error:
        return str(error) if _has_gpus() else NO_GPU
    if gpu.target not in targets:
        return f"the engines are for {', '.join(targets)}, and the GPU here is {gpu.name} ({gpu.target})"
    return None


def _has_gpus() -> bool:
    """Whether the driver knows a GPU, whatever is visible to CUDA."""
    try:
        return bool(read_gpus())
    except RuntimeUnavailable:
        return False


def is_timed(cell: Cell) -> bool:
    """Whether the cell is to be timed: in the runtime that was named, else if its engine runs here."""
    if cell.row.runtime is not None:
        return True
    cell.not_timed = why_not_timed(cell.targets)
    return cell.not_timed is None


def make_arms(cells: Sequence[Cell], grid: Grid) -> None:
    """Give every live cell that can be timed its arm, by default in the namesake of its compiler.

    Raises:
        SpecError: a runtime does not load what a cell has.
    """
    groups = _groups(cells)
    for cell in cells:
        if not cell.is_live or not is_timed(cell):
            continue
        if cell.row.runtime is None:
            engine = cell.file.engine if cell.file else None
            spec = engine.manifest.spec if engine else cell.build
            cell.tell(runtime=spec.backend if spec else None)
        try:
            cell.arm = _placed(replace(_arm(cell, grid), group=groups[cell.key]), cell)
        except SpecError:
            raise
        except TrtbenchError as error:
            cell.fail(error)


def time_cells(
    cells: Sequence[Cell], grid: Grid, store: Store, machine: Environment, title: str, on_step: OnStep
) -> Measured | None:
    """Time the arms of the cells, and write times and failures into their rows; None if there is no arm.

    Arms of one shape take turns block by block, and shapes round by round.

    Raises:
        MeasureError: another process has the GPU, and ``grid.exclusive``.
        ArtifactError: the store cannot be written.
    """
    arms = [cell.arm for cell in cells if cell.arm]
    if not arms:
        return None
    against = {cell.key: baseline.key for cell, baseline in pairs_of(cells)}
    measured = measure_side_by_side(arms, grid.bench, store, title, on_step, machine, grid.exclusive, against)
    by_label = {each.arm.label: each for each in measured.measurements}
    for cell in cells:
        if cell.arm is not None:
            measurement = by_label[cell.key]
            cell.tell(measured=measurement)
            if measurement.has_failed:
                cell.tell(status="failed", reason=measurement.reason, code=measurement.code)
    return measured


def verdicts_on(cells: Sequence[Cell], measured: Measured) -> tuple[Verdict, ...]:
    """One for each timed cell that has a baseline, also where that one was not timed."""
    decided: Mapping[str, Verdict] = {verdict.arm: verdict for verdict in measured.verdicts}
    verdicts = []
    for cell, baseline in pairs_of(cells):
        if cell.arm is not None and baseline.arm is not None:
            verdicts.append(decided[cell.key])
        elif cell.arm is not None:
            reason = f"the baseline {baseline.key} was not timed"
            if not baseline.is_live:
                reason = baseline_failed(baseline.key)
            verdicts.append(incomparable(baseline.key, cell.key, reason))
    return tuple(verdicts)


def _groups(cells: Sequence[Cell]) -> dict[str, str]:
    """Which arms take turns, by key: those of one shape; a single group has no name."""
    shapes = {cell.key: cell.export or cell.beside for cell in cells}
    names = {key: spec.shape_name if spec else "" for key, spec in shapes.items()}
    return names if len(set(names.values())) > 1 else dict.fromkeys(names, "")


def _arm(cell: Cell, grid: Grid) -> Arm:
    runtime, file = str(cell.row.runtime), cell.file
    loads = runtime_entry(runtime).loads
    engines = cell.engines or ([file.engine] if file and file.engine else [])
    if loads == "engine" and engines:
        return arm_of_engines(cell.key, engines, runtime, grid.trust)
    if loads == "onnx" and cell.onnx is not None:
        return arm_of_onnx(cell.key, cell.onnx, runtime)
    export = cell.export or (file.export if file else None)
    if loads == "model" and export is not None:
        return arm_of_model(cell.key, export, runtime)
    if file is None:
        raise ValueError(f"{cell.key} has nothing to time")
    return arm_of_file(cell.key, file.path, runtime, grid.trust)


def _placed(arm: Arm, cell: Cell) -> Arm:
    """The arm in its environment."""
    ready = cell.place.ready
    if ready is None:
        return arm
    builds = tuple(each.model_copy(update={"environment": ready.identity}) for each in arm.builds)
    return replace(arm, builds=builds, environment=ready)
