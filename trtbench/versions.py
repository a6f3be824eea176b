"""Several recipes of one model through several versions of the compiler, side by side."""

from collections.abc import Sequence

from trtbench.artifacts import EngineArtifact, OnnxArtifact, Store
from trtbench.build import build
from trtbench.compare import compiled_summary, engine_summary
from trtbench.diff import diff_engines
from trtbench.environment import collect_environment
from trtbench.environments import EnvironmentSpec, Prepared, prepare
from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import export
from trtbench.inspect import inspect_engine
from trtbench.progress import OnRecipeStep
from trtbench.results.environments import EnvironmentRecord
from trtbench.results.versions import (
    VersionComparison,
    VersionDifference,
    VersionRow,
)
from trtbench.specs import BuildSpec, ExportSpec

_Built = dict[tuple[str, str], EngineArtifact]
"""By recipe and environment."""


def compare_environments(
    exports: Sequence[ExportSpec],
    build_spec: BuildSpec,
    environments: Sequence[EnvironmentSpec],
    store: Store,
    on_step: OnRecipeStep,
) -> VersionComparison:
    """Export each recipe once, build it in every environment, and tell what differs between the engines.

    An environment that cannot be made ready, and a build that fails, become rows with their reason.

    Args:
        exports: one spec a recipe, alike but for the recipe.
        build_spec: how every engine is built, in every environment; sparse recipes turn its sparsity flag on.
        environments: the first is the one that others are held against.
        store: where artifacts are looked up and kept.
        on_step: told of each step, by recipe or environment.

    Raises:
        SpecError: the request is wrong for every row (no recipe, unknown model or target).
    """
    if not exports or len(environments) < 2:
        raise SpecError(
            f"{len(exports)} recipes in {len(environments)} environments: name at least one recipe, and two "
            "environments such as --env venv:tensorrt-rtx==1.5.0.114 --env local"
        )
    prepared = [_prepare(spec, store, on_step) for spec in environments]
    built: _Built = {}
    rows = [row for spec in exports for row in _rows(spec, build_spec, prepared, store, built, on_step)]
    return VersionComparison(
        environment=collect_environment().model_dump(mode="json"),
        model=exports[0].model.name,
        batch=exports[0].batch,
        build_spec=build_spec,
        environments=tuple(record for record, _ in prepared),
        rows=tuple(rows),
        differences=tuple(
            difference for spec in exports for difference in _differences(spec, environments, built, on_step)
        ),
    )


def _prepare(
    spec: EnvironmentSpec, store: Store, on_step: OnRecipeStep
) -> tuple[EnvironmentRecord, Prepared | None]:
    try:
        ready = prepare(spec, store, lambda step: on_step(str(spec), step))
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


def _rows(
    spec: ExportSpec,
    build_spec: BuildSpec,
    prepared: Sequence[tuple[EnvironmentRecord, Prepared | None]],
    store: Store,
    built: _Built,
    on_step: OnRecipeStep,
) -> list[VersionRow]:
    """One row an environment; engines are added to ``built``."""
    recipe = str(spec.recipe)
    try:
        onnx, _ = export(spec, store, lambda step: on_step(recipe, f"export: {step}"))
    except SpecError:
        raise
    except TrtbenchError as error:
        return [_failed(spec, record, str(error)) for record, _ in prepared]
    engine_spec = build_spec.model_copy(update={"sparsity": build_spec.sparsity or spec.recipe.sparse})
    rows = []
    for record, ready in prepared:
        if ready is None:
            rows.append(_failed(spec, record, str(record.reason), onnx))
            continue
        rows.append(_row(spec, onnx, engine_spec, ready, store, built, on_step))
    return rows


def _row(
    spec: ExportSpec,
    onnx: OnnxArtifact,
    engine_spec: BuildSpec,
    ready: Prepared,
    store: Store,
    built: _Built,
    on_step: OnRecipeStep,
) -> VersionRow:
    recipe, name = str(spec.recipe), str(ready.spec)
    row = VersionRow(
        recipe=spec.recipe,
        environment=name,
        status="failed",
        onnx_sha256=onnx.manifest.files[0].sha256,
    )
    try:
        engine, _ = build(
            onnx, engine_spec, store, lambda step: on_step(recipe, f"{name}: {step}"), environment=ready
        )
        audit = inspect_engine(engine)
    except SpecError:
        raise
    except TrtbenchError as error:
        return row.model_copy(update={"reason": str(error)})
    built[recipe, name] = engine
    return row.model_copy(
        update={
            "status": "ok",
            "engine": engine_summary(engine),
            "compiled": compiled_summary(engine, audit),
            "findings": audit.findings,
        }
    )


def _failed(
    spec: ExportSpec, record: EnvironmentRecord, reason: str, onnx: OnnxArtifact | None = None
) -> VersionRow:
    return VersionRow(
        recipe=spec.recipe,
        environment=record.environment,
        status="failed",
        reason=reason,
        onnx_sha256=None if onnx is None else onnx.manifest.files[0].sha256,
    )


def _differences(
    spec: ExportSpec, environments: Sequence[EnvironmentSpec], built: _Built, on_step: OnRecipeStep
) -> list[VersionDifference]:
    """Every environment that has an engine of the recipe against the first of them."""
    recipe = str(spec.recipe)
    names = [str(environment) for environment in environments if (recipe, str(environment)) in built]
    on_step(recipe, "align the compiled layers")
    return [
        VersionDifference(
            recipe=spec.recipe,
            before=names[0],
            after=name,
            diff=diff_engines(built[recipe, names[0]], built[recipe, name]),
        )
        for name in names[1:]
    ]
