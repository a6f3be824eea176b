"""Compare by time: recipes in runtimes, or artifacts, interleaved in one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trtbench.build.choice import check_any_builds, target_of_gpu
from trtbench.compare.compiled import compare, comparison_of, compiled_row, onnx_summary
from trtbench.errors import RuntimeUnavailable, SpecError, TrtbenchError
from trtbench.host.hardware import collect_environment, first_gpu
from trtbench.measure.arms import Workshop, arm_of_recipe
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import Measured, measure_side_by_side
from trtbench.measure.verdict import baseline_failed
from trtbench.progress import OnProgress, OnRecipeStep
from trtbench.results import ArmsComparison, Comparison, ComparisonRow, Verdict
from trtbench.runtimes import runtime_entry
from trtbench.specs import BenchSpec, BuildSpec, ExportSpec
from trtbench.store.artifacts import Store, save_result


@dataclass(frozen=True)
class Timing:
    """How arms are timed, and who is told of it; ``given``: the options that were given for that."""

    bench: BenchSpec
    on_progress: OnProgress
    rebuilds: int = 0
    exclusive: bool = False
    trust: bool = False
    given: tuple[str, ...] = ()

    def not_timed(self, reason: str) -> str:
        """Why nothing was timed, and which options had no say for that."""
        return f"{reason}; {', '.join(self.given)} had no say" if self.given else reason


def compare_timed(
    exports: Sequence[ExportSpec],
    runtimes: Sequence[str],
    build_specs: Mapping[str, BuildSpec],
    store: Store,
    timing: Timing,
    on_step: OnRecipeStep,
) -> Comparison:
    """Time every recipe in every runtime, the first in the first being the baseline; a failure is a row.

    Engines are built, and audited, only for runtimes that load them: ``build_specs`` says how, by runtime.

    Raises:
        SpecError: the request is wrong for every recipe, or a runtime takes no recipes.
        RuntimeUnavailable: every runtime loads engines, and none of them can be built here.
        MeasureError: another process has the GPU, and ``timing.exclusive``.
        ArtifactError: the store cannot be written.
    """
    check_runtimes(runtimes)
    if len(build_specs) == len(runtimes):
        check_any_builds(build_specs.values())
    rows = [
        _row_before(spec, runtime, build_specs, store, on_step) for spec in exports for runtime in runtimes
    ]
    specs = [spec for spec in exports for _ in runtimes]
    targets = dict.fromkeys(target for spec in build_specs.values() for target in spec.targets)
    return _timed(comparison_of(exports, list(targets), rows), specs, build_specs, store, timing, on_step)


def compare_here(
    exports: Sequence[ExportSpec],
    build_spec: BuildSpec,
    store: Store,
    timing: Timing,
    on_step: OnRecipeStep,
) -> Comparison:
    """Compare what the compiler makes of each recipe, and time the engines if they run on this machine.

    They are timed in the runtime that has the name of their compiler.

    Raises:
        RuntimeUnavailable: the compiler is not here, or has no GPU to build for.
    """
    check_any_builds([build_spec])
    comparison = compare(exports, build_spec, store, on_step)
    reason = why_not_timed(build_spec.targets)
    if reason is not None:
        return comparison.model_copy(update={"not_timed": timing.not_timed(reason)})
    runtime = build_spec.backend
    rows = tuple(row.model_copy(update={"runtime": runtime}) for row in comparison.rows)
    comparison = comparison.model_copy(update={"rows": rows})
    return _timed(comparison, exports, {runtime: build_spec}, store, timing, on_step)


def compare_arms(arms: Sequence[Arm], store: Store, timing: Timing) -> ArmsComparison:
    """Time arms that are no recipes of one model; the first is the baseline.

    Raises:
        SpecError: two arms have one label.
        MeasureError: another process has the GPU, and ``timing.exclusive``.
        ArtifactError: the store cannot be written.
    """
    measured = _measure(arms, store, "compare-arms", timing)
    comparison = ArmsComparison(
        environment=collect_environment().model_dump(mode="json"),
        sources=(),
        baseline=arms[0].label,
        measurements=measured.measurements,
        verdicts=measured.verdicts,
    )
    save_result(store, measured.name, comparison)
    return comparison


def check_runtimes(runtimes: Sequence[str]) -> None:
    """Refuse runtimes that take no recipes, and any that is named twice.

    Raises:
        SpecError: and which.
    """
    for runtime in runtimes:
        if runtime_entry(runtime).loads == "script":
            raise SpecError(f"runtime {runtime} takes script files, not recipes")
        if runtimes.count(runtime) > 1:
            raise SpecError(f"runtime {runtime} is named more than once: an arm against itself is --aa")


def why_not_timed(targets: Sequence[str]) -> str | None:
    """Why engines for these targets do not run on this machine's first GPU; None if they do."""
    try:
        gpu = first_gpu()
    except RuntimeUnavailable as error:
        return str(error)
    if gpu.target not in targets:
        return f"the engines are for {', '.join(targets)}, and the GPU here is {gpu.name} ({gpu.target})"
    return None


@dataclass
class _Cell:
    """One row on its way: ``arm`` once there is something to time, a failed ``row`` otherwise."""

    label: str
    spec: ExportSpec
    row: ComparisonRow
    arm: Arm | None = None

    def fail(self, reason: str) -> None:
        """Keep what is there, and say why there is no more."""
        self.row = self.row.model_copy(update={"status": "failed", "reason": reason})


def _row_before(
    spec: ExportSpec,
    runtime: str,
    build_specs: Mapping[str, BuildSpec],
    store: Store,
    on_step: OnRecipeStep,
) -> ComparisonRow:
    """The row as far as it is known without timing."""
    row = ComparisonRow(recipe=spec.recipe, status="ok")
    if runtime in build_specs:
        row = compiled_row(spec, build_specs[runtime], store, on_step)
    return row.model_copy(update={"runtime": runtime})


def _timed(
    comparison: Comparison,
    specs: Sequence[ExportSpec],
    build_specs: Mapping[str, BuildSpec],
    store: Store,
    timing: Timing,
    on_step: OnRecipeStep,
) -> Comparison:
    """Add to the rows what can be measured, and save the whole."""
    cells = [
        _Cell(label, spec, row)
        for label, spec, row in zip(_labels(comparison.rows), specs, comparison.rows, strict=True)
    ]
    rebuilds = timing.rebuilds if target_of_gpu() else 0  # without a GPU they would be built for nothing
    workshop = Workshop(store, build_specs, rebuilds, timing.trust)
    for cell in cells:
        if cell.row.status == "ok":
            _make_arm(cell, workshop, on_step)
    comparison = comparison.model_copy(update={"baseline": cells[0].label})
    arms = [cell.arm for cell in cells if cell.arm]
    if not arms:
        return comparison.model_copy(update={"rows": tuple(cell.row for cell in cells)})
    title = f"compare-{comparison.model}-{specs[0].shape_name}"
    measured = _measure(arms, store, title, timing)
    comparison = _with_times(comparison, cells, measured)
    save_result(store, measured.name, comparison)
    return comparison


def _labels(rows: Sequence[ComparisonRow]) -> list[str]:
    """Recipes, with their runtime where there are several."""
    if len({row.runtime for row in rows}) == 1:
        return [str(row.recipe) for row in rows]
    return [f"{row.recipe} on {row.runtime}" for row in rows]


def _make_arm(cell: _Cell, workshop: Workshop, on_step: OnRecipeStep) -> None:
    """Export and build what the runtime loads."""
    name = str(cell.row.recipe)
    try:
        cell.arm, onnx = arm_of_recipe(
            cell.label, cell.spec, str(cell.row.runtime), workshop, lambda step: on_step(name, step)
        )
    except SpecError:
        raise
    except TrtbenchError as error:
        cell.fail(str(error))
    else:
        cell.row = cell.row.model_copy(update={"onnx": None if onnx is None else onnx_summary(onnx)})


def _measure(arms: Sequence[Arm], store: Store, title: str, timing: Timing) -> Measured:
    return measure_side_by_side(arms, timing.bench, store, title, timing.on_progress, timing.exclusive)


def _with_times(comparison: Comparison, cells: Sequence[_Cell], measured: Measured) -> Comparison:
    by_label = {measurement.arm.label: measurement for measurement in measured.measurements}
    for cell in cells:
        if cell.arm is not None:
            measurement = by_label[cell.label]
            cell.row = cell.row.model_copy(update={"measured": measurement})
            if measurement.reason is not None:
                cell.fail(measurement.reason)
    verdicts = measured.verdicts
    if cells[0].arm is None:
        reason = baseline_failed(cells[0].label)
        verdicts = tuple(incomparable(cells[0].label, label, reason) for label in by_label)
    return comparison.model_copy(
        update={
            "rows": tuple(cell.row for cell in cells),
            "verdicts": verdicts,
            "target": {**comparison.target, "gpu": measured.gpu},
        }
    )


def incomparable(baseline: str, arm: str, reason: str) -> Verdict:
    """The verdict on two arms of which one was not measured."""
    return Verdict(
        baseline=baseline, arm=arm, verdict="INCOMPARABLE", reason=reason, series=None, ratio=None, ci95=None
    )
