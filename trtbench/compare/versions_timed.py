"""What is timed of a comparison of versions: every recipe in every environment, in one interleaved run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trtbench.build.choice import target_of_gpu
from trtbench.compare.timed import Timing, incomparable, why_not_timed
from trtbench.diff import AuditedEngine
from trtbench.environments import Prepared
from trtbench.errors import SpecError, TrtbenchError
from trtbench.measure.arms import Workshop, arm_of_engines, arm_of_onnx, arm_of_recipe
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import Measured, measure_side_by_side
from trtbench.measure.verdict import baseline_failed
from trtbench.progress import OnRecipeStep
from trtbench.results import Verdict
from trtbench.results.versions import VersionComparison, VersionRow
from trtbench.runtimes import runtime_entry
from trtbench.specs import ExportSpec, canonical_hash
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact, Store, save_result


@dataclass
class Cell:
    """One row on its way: what it is made of, and its ``arm`` once there is something to time.

    ``audited``: the first of its engines.
    """

    label: str
    spec: ExportSpec
    ready: Prepared | None
    row: VersionRow
    onnx: OnnxArtifact | None = None
    engines: list[EngineArtifact] = field(default_factory=list)
    audited: AuditedEngine | None = None
    arm: Arm | None = None
    not_timed: str | None = None

    def tell(self, **fields: Any) -> None:
        """Write something into the row."""
        self.row = self.row.model_copy(update=fields)

    def fail(self, reason: str) -> None:
        """Keep what is there, and say why there is no more."""
        self.tell(status="failed", reason=reason)


def add_times(
    comparison: VersionComparison,
    cells: Sequence[Cell],
    timing: Timing,
    store: Store,
    on_step: OnRecipeStep,
) -> VersionComparison:
    """Time what can be timed of the rows, and save the whole if anything was.

    Raises:
        SpecError: the protocol or a runtime is wrong for every row.
        MeasureError: another process has the GPU, and ``timing.exclusive``.
        ArtifactError: the store cannot be written.
    """
    named = any(cell.row.runtime for cell in cells)
    for cell in cells:
        if cell.row.status == "ok":
            _make_arm(cell, Workshop(store, trust=timing.trust), on_step)
    baselines = _baselines(cells, named)
    arms = [cell.arm for cell in cells if cell.arm]
    if arms:
        measured = measure_side_by_side(
            arms,
            timing.bench,
            store,
            f"versions-{comparison.model}-b{comparison.batch}",
            timing.on_progress,
            timing.exclusive,
            {label: baseline.label for label, baseline in baselines.items()},
        )
        _take_over(cells, measured, canonical_hash(timing.bench.model_dump(mode="json")))
        comparison = comparison.model_copy(
            update={"verdicts": _verdicts(cells, baselines, measured), "gpu": measured.gpu}
        )
    reason = "; ".join(dict.fromkeys(cell.not_timed for cell in cells if cell.not_timed)) or None
    if reason is not None and not arms:
        reason = timing.not_timed(reason)
    comparison = comparison.model_copy(
        update={"rows": tuple(cell.row for cell in cells), "not_timed": reason}
    )
    if arms:
        save_result(store, measured.name, comparison)
    return comparison


def can_be_timed(runtime: str | None, targets: Sequence[str]) -> bool:
    """Whether engines for ``targets`` may run here: on any GPU if a runtime was named, else on theirs."""
    return why_not_timed(targets) is None if runtime is None else bool(target_of_gpu())


def _make_arm(cell: Cell, workshop: Workshop, on_step: OnRecipeStep) -> None:
    """Make the arm of a row, in the runtime that was named; else in the namesake of its compiler."""
    if cell.row.runtime is None:
        cell.not_timed = why_not_timed(cell.row.targets)
        if cell.not_timed is not None:
            return
        cell.tell(runtime=cell.engines[0].manifest.backend)
    try:
        cell.arm = _in_environment(_arm(cell, workshop, on_step), cell)
    except SpecError:
        raise
    except TrtbenchError as error:
        cell.fail(str(error))


def _arm(cell: Cell, workshop: Workshop, on_step: OnRecipeStep) -> Arm:
    runtime = str(cell.row.runtime)
    loads = runtime_entry(runtime).loads
    if loads == "engine":
        return arm_of_engines(cell.label, cell.engines, runtime, workshop)
    if loads == "onnx" and cell.onnx is not None:
        return arm_of_onnx(cell.label, cell.onnx, runtime)
    recipe = str(cell.spec.recipe)
    arm, _ = arm_of_recipe(cell.label, cell.spec, runtime, workshop, lambda step: on_step(recipe, step))
    return arm


def _in_environment(arm: Arm, cell: Cell) -> Arm:
    if cell.ready is None:
        return arm
    update = {"environment": cell.ready.identity}
    builds = tuple(build.model_copy(update=update) for build in arm.builds)
    return replace(arm, builds=builds, environment=cell.ready)


def _baselines(cells: Sequence[Cell], named: bool) -> dict[str, Cell]:
    """By label, the cell in the first environment, of the same recipe and of the same runtime if named."""
    first: dict[tuple[str, str | None], Cell] = {}
    baselines = {}
    for cell in cells:
        baseline = first.setdefault((str(cell.spec.recipe), cell.row.runtime if named else None), cell)
        if baseline is not cell:
            baselines[cell.label] = baseline
    return baselines


def _take_over(cells: Sequence[Cell], measured: Measured, protocol_sha256: str) -> None:
    by_label = {measurement.arm.label: measurement for measurement in measured.measurements}
    for cell in cells:
        if cell.arm is None:
            continue
        measurement = by_label[cell.label]
        cell.tell(measured=measurement, protocol_sha256=protocol_sha256)
        if measurement.reason is not None:
            cell.fail(measurement.reason)


def _verdicts(cells: Sequence[Cell], baselines: dict[str, Cell], measured: Measured) -> tuple[Verdict, ...]:
    """One for each cell that was timed and is no baseline, in their order."""
    decided = {verdict.arm: verdict for verdict in measured.verdicts}
    for cell in cells:
        baseline = baselines.get(cell.label)
        if cell.arm is not None and baseline is not None and baseline.arm is None:
            failed = baseline.row.status == "failed"
            reason = (
                baseline_failed(baseline.label) if failed else f"the baseline {baseline.label} was not timed"
            )
            decided[cell.label] = incomparable(baseline.label, cell.label, reason)
    return tuple(decided[cell.label] for cell in cells if cell.label in decided)
