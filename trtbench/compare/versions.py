"""Several recipes of one model through several versions of what compiles or runs them, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.build.compiler import backend_in, compiler_of
from trtbench.build.dialect import check_options
from trtbench.compare.compiled import compiled_summary, engine_summary
from trtbench.compare.timed import Timing, check_runtimes
from trtbench.compare.versions_timed import Cell, add_times, can_be_timed
from trtbench.diff import AuditedEngine, diff_engines
from trtbench.environments import EnvironmentSpec, Prepared, prepare
from trtbench.errors import RuntimeUnavailable, SpecError, TrtbenchError
from trtbench.export import export
from trtbench.host.hardware import collect_environment, first_gpu
from trtbench.progress import OnRecipeStep
from trtbench.results.environments import EnvironmentRecord
from trtbench.results.versions import VersionComparison, VersionDifference, VersionRow
from trtbench.runtimes import runtime_entry
from trtbench.specs import BuildBackend, BuildSpec, ExportSpec
from trtbench.store.artifacts import OnnxArtifact, Store


@dataclass(frozen=True)
class Plan:
    """What is done in every environment.

    ``by_backend``: how each compiler builds; the one that is in it alone, or that the environment has.
    ``runtimes``: what times, and ``by_runtime`` how engines are built for those that load engines. Without
    any, engines are timed in the namesake of their compiler, if they are for the GPU that is here.
    """

    timing: Timing
    by_backend: Mapping[BuildBackend, BuildSpec]
    runtimes: tuple[str, ...] = ()
    by_runtime: Mapping[str, BuildSpec] = field(default_factory=dict)

    def spec_in(self, environment: Prepared, runtime: str | None) -> BuildSpec:
        """How an engine is built in ``environment``, for ``runtime`` if one was named."""
        if runtime is not None:
            return self.by_runtime[runtime]
        backends = list(self.by_backend)
        return self.by_backend[backends[0] if len(backends) == 1 else backend_in(environment)]

    @property
    def default_spec(self) -> BuildSpec:
        """How engines are built where nothing is known of the environment."""
        return next(iter((*self.by_runtime.values(), *self.by_backend.values())))


def compare_environments(
    exports: Sequence[ExportSpec],
    plan: Plan,
    environments: Sequence[EnvironmentSpec],
    store: Store,
    on_step: OnRecipeStep,
) -> VersionComparison:
    """Export each recipe once, take it to every environment, and tell what differs there.

    Engines are built, audited and aligned unless every runtime that was named loads something else. Where
    something can be timed, all of it is timed in one run: blocks of every recipe in every environment take
    turns. An environment that cannot be made ready, and whatever fails in one, become rows with their reason;
    where all rows have failed before the export, nothing is exported.

    Args:
        exports: one spec a recipe, alike but for the recipe.
        plan: how to build and to time; sparse recipes turn the sparsity flag of their builds on.
        environments: the first is the one that others are held against.
        store: where artifacts and results are looked up and kept.
        on_step: told of each step, by recipe or environment.

    Raises:
        SpecError: the request is wrong for every row (no recipe, unknown model or target, an option that no
            environment's compiler has).
        MeasureError: another process has the GPU, and that was to be refused.
        ArtifactError: the store cannot be written.
    """
    if not exports or len(environments) < 2:
        raise SpecError(
            f"{len(exports)} recipes in {len(environments)} environments: name at least one recipe, and two "
            "environments such as --env venv:tensorrt-rtx==1.5.0.114 --env local"
        )
    check_runtimes(plan.runtimes)
    timed = bool(plan.runtimes) or _runs_here(plan.default_spec)
    prepared = [_prepare(spec, timed, store, on_step) for spec in environments]
    _check_options(plan, [ready for _, ready in prepared])
    cells = [cell for spec in exports for cell in _cells(spec, plan, prepared, store, on_step)]
    comparison = VersionComparison(
        environment=collect_environment().model_dump(mode="json"),
        model=exports[0].model.name,
        batch=exports[0].batch,
        build_spec=plan.default_spec,
        environments=tuple(record for record, _ in prepared),
        rows=tuple(cell.row for cell in cells),
        differences=tuple(
            difference for group in _by_engine(cells) for difference in _differences(group, on_step)
        ),
    )
    return add_times(comparison, cells, plan.timing, store, on_step)


def _runs_here(spec: BuildSpec) -> bool:
    """Whether there is a GPU that engines of TensorRT-RTX are for."""
    try:
        return first_gpu().target in spec.targets
    except RuntimeUnavailable:
        return False


def _prepare(
    spec: EnvironmentSpec, timed: bool, store: Store, on_step: OnRecipeStep
) -> tuple[EnvironmentRecord, Prepared | None]:
    try:
        ready = prepare(spec, store, lambda step: on_step(str(spec), step), timed)
    except SpecError:
        raise
    except TrtbenchError as error:
        return EnvironmentRecord(environment=str(spec), contents=None, reason=str(error)), None
    record = EnvironmentRecord(
        environment=str(spec),
        contents=ready.contents,
        image_digest=ready.image_digest,
        findings=ready.findings,
    )
    return record, ready


def _check_options(plan: Plan, environments: Sequence[Prepared | None]) -> None:
    """Refuse, before anything is exported, what is a wrong request to every environment.

    Raises:
        SpecError: of the first environment.
    """
    for runtime in plan.runtimes or (None,):
        if runtime is None or runtime_entry(runtime).loads == "engine":
            refusals = [
                None if ready is None else _refusal(plan.spec_in(ready, runtime), ready)
                for ready in environments
            ]
            if all(isinstance(refusal, SpecError) for refusal in refusals) and refusals[0] is not None:
                raise refusals[0]


def _refusal(spec: BuildSpec, environment: Prepared) -> TrtbenchError | None:
    """Why ``environment`` cannot build ``spec``, as far as that is known beforehand."""
    try:
        check_options(spec, compiler_of(environment, spec).version)
    except TrtbenchError as error:
        return error
    return None


def _cells(
    spec: ExportSpec,
    plan: Plan,
    prepared: Sequence[tuple[EnvironmentRecord, Prepared | None]],
    store: Store,
    on_step: OnRecipeStep,
) -> list[Cell]:
    """One row an environment and runtime, as far as it is known without timing."""
    cells = [
        _cell(spec, record, ready, runtime, plan)
        for runtime in plan.runtimes or (None,)
        for record, ready in prepared
    ]
    if all(cell.row.status == "failed" for cell in cells):
        return cells
    try:
        onnx, _ = export(spec, store, lambda step: on_step(str(spec.recipe), f"export: {step}"))
    except SpecError:
        raise
    except TrtbenchError as error:
        for cell in cells:
            cell.fail(str(error))
        return cells
    for cell in cells:
        cell.onnx = onnx
        cell.tell(onnx_sha256=onnx.manifest.files[0].sha256)
        if cell.row.status == "ok":
            _fill(cell, onnx, plan, store, on_step)
    return cells


def _cell(
    spec: ExportSpec, record: EnvironmentRecord, ready: Prepared | None, runtime: str | None, plan: Plan
) -> Cell:
    """A row as far as it is known before the export; what the environment lacks has it fail."""
    on_runtime = f" on {runtime}" if len(plan.runtimes) > 1 else ""
    row = VersionRow(recipe=spec.recipe, environment=record.environment, status="ok", runtime=runtime)
    cell = Cell(f"{spec.recipe} in {record.environment}{on_runtime}", spec, ready, row)
    reason = record.reason if ready is None else _lack(ready, runtime, plan)
    if reason is not None:
        cell.fail(reason)
    return cell


def _lack(ready: Prepared, runtime: str | None, plan: Plan) -> str | None:
    """Why an environment cannot build, or load, what ``runtime`` takes; that is no matter of the others."""
    loads = "engine" if runtime is None else runtime_entry(runtime).loads
    if loads == "engine":
        refusal = _refusal(plan.spec_in(ready, runtime), ready)
        return None if refusal is None else str(refusal)
    if loads == "onnx" and ready.contents.onnxruntime is None:
        problem = ready.contents.onnxruntime_problem
        instead = f"it cannot be imported: {problem}" if problem else "take venv:onnxruntime==VERSION"
        return f"{ready.spec} has no onnxruntime, which runtime {runtime} needs: {instead}"
    return None


def _fill(cell: Cell, onnx: OnnxArtifact, plan: Plan, store: Store, on_step: OnRecipeStep) -> None:
    """Build and audit the engine, if the runtime loads one."""
    runtime, ready = cell.row.runtime, cell.ready
    if ready is None or (runtime is not None and runtime_entry(runtime).loads != "engine"):
        return
    build_spec = plan.spec_in(ready, runtime)
    build_spec = build_spec.model_copy(update={"sparsity": build_spec.sparsity or cell.spec.recipe.sparse})
    _compile(cell, onnx, build_spec, plan.timing.rebuilds, store, on_step)


def _compile(
    cell: Cell,
    onnx: OnnxArtifact,
    build_spec: BuildSpec,
    rebuilds: int,
    store: Store,
    on_step: OnRecipeStep,
) -> None:
    recipe, environment = str(cell.spec.recipe), cell.row.environment

    def tell(step: str) -> None:
        on_step(recipe, f"{environment}: {step}")

    try:
        engine, _ = build(onnx, build_spec, store, tell, environment=cell.ready)
        more = rebuilds if can_be_timed(cell.row.runtime, engine.manifest.spec.targets) else 0
        again = [build(onnx, build_spec, store, tell, 1 + index, cell.ready)[0] for index in range(more)]
        audit = inspect_engine(engine)
    except SpecError:
        raise
    except TrtbenchError as error:
        cell.fail(str(error))
        return
    cell.engines += [engine, *again]
    cell.audited = AuditedEngine(engine, audit)
    cell.tell(
        targets=engine.manifest.spec.targets,
        engine=engine_summary(engine),
        compiled=compiled_summary(engine, audit),
        findings=audit.findings,
    )


def _by_engine(cells: Sequence[Cell]) -> list[list[tuple[Cell, AuditedEngine]]]:
    """Cells that have an engine, each with it, by recipe and runtime, in their order."""
    groups: dict[tuple[str, str | None], list[tuple[Cell, AuditedEngine]]] = {}
    for cell in cells:
        if cell.audited is not None:
            key = (str(cell.spec.recipe), cell.row.runtime)
            groups.setdefault(key, []).append((cell, cell.audited))
    return list(groups.values())


def _differences(
    engines: Sequence[tuple[Cell, AuditedEngine]], on_step: OnRecipeStep
) -> list[VersionDifference]:
    """Every environment that has an engine of the recipe against the first of them."""
    (first, before), *others = engines
    on_step(str(first.spec.recipe), "align the compiled layers")
    return [
        VersionDifference(
            recipe=cell.spec.recipe,
            before=first.row.environment,
            after=cell.row.environment,
            diff=diff_engines(before, after),
        )
        for cell, after in others
    ]
