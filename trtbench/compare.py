"""Several recipes of one model, side by side: do what is missing, reuse what is there."""

from collections.abc import Sequence

from trtbench.artifacts import EngineArtifact, OnnxArtifact, Store
from trtbench.build import build
from trtbench.build.targets import parse_targets
from trtbench.environment import collect_environment
from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import export
from trtbench.inspect import inspect_engine
from trtbench.progress import OnRecipeStep
from trtbench.results import (
    Audit,
    Comparison,
    ComparisonRow,
    CompiledSummary,
    EngineSummary,
    OnnxSummary,
)
from trtbench.specs import BuildSpec, ExportSpec


def compare(
    exports: Sequence[ExportSpec], build_spec: BuildSpec, store: Store, on_step: OnRecipeStep
) -> Comparison:
    """Export, build and audit each of ``exports``; a recipe that fails becomes a row with its reason.

    Args:
        exports: one spec a recipe, alike but for the recipe; the first is the baseline.
        build_spec: how every engine is built; sparse recipes turn its sparsity flag on.
        store: where artifacts are looked up and kept.
        on_step: told of each step.

    Raises:
        SpecError: the request is wrong for every recipe (unknown model or target).
    """
    if not exports:
        raise SpecError("nothing to compare: name at least one recipe, such as fp16")
    build_spec = build_spec.model_copy(update={"targets": parse_targets(build_spec.targets)})
    rows = [_row(spec, build_spec, store, on_step) for spec in exports]
    return Comparison(
        environment=collect_environment().model_dump(mode="json"),
        model=exports[0].model.name,
        batch=exports[0].batch,
        target={"sm": ",".join(build_spec.targets), "gpu": None},
        baseline=str(exports[0].recipe),
        rows=tuple(rows),
    )


def _row(spec: ExportSpec, build_spec: BuildSpec, store: Store, on_step: OnRecipeStep) -> ComparisonRow:
    """Take one recipe as far as it goes; what worked before a failure stays in the row."""
    row = ComparisonRow(recipe=spec.recipe, status="failed")
    try:
        onnx, _ = export(spec, store, lambda step: on_step(str(spec.recipe), f"export: {step}"))
        row = row.model_copy(update={"onnx": _onnx_summary(onnx)})
        engine_spec = build_spec.model_copy(update={"sparsity": build_spec.sparsity or spec.recipe.sparse})
        engine, _ = build(onnx, engine_spec, store, lambda step: on_step(str(spec.recipe), f"build: {step}"))
        row = row.model_copy(update={"engine": _engine_summary(engine)})
        on_step(str(spec.recipe), "audit: read the compiled layers")
        audit = inspect_engine(engine)
    except SpecError:
        raise
    except TrtbenchError as error:
        return row.model_copy(update={"reason": str(error)})
    return row.model_copy(
        update={"status": "ok", "compiled": _compiled_summary(engine, audit), "findings": audit.findings}
    )


def _onnx_summary(onnx: OnnxArtifact) -> OnnxSummary:
    record = onnx.manifest.files[0]
    return OnnxSummary(
        path=str(onnx.payload), sha256=record.sha256, size_bytes=record.size_bytes, nodes=onnx.manifest.nodes
    )


def _engine_summary(engine: EngineArtifact) -> EngineSummary:
    record, manifest = engine.manifest.files[0], engine.manifest
    return EngineSummary(
        path=str(engine.payload),
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        backend=manifest.backend,
        backend_version=manifest.backend_version,
        build_s=manifest.build_s,
    )


def _compiled_summary(engine: EngineArtifact, audit: Audit) -> CompiledSummary:
    return CompiledSummary(
        gemm_flops_share=audit.gemm_flops_share,
        attention_precision=audit.attention_precision,
        gemm_kernels=audit.gemm_kernels,
        attention_kernels=audit.attention_kernels,
        quantize_kernels=audit.quantize_kernels,
        other_kernels=audit.other_kernels,
        other_bytes=audit.other_bytes,
        weight_bytes=engine.manifest.weight_bytes,
        activation_bytes=engine.manifest.activation_bytes,
        by_role={role.role: role for role in audit.by_role},
    )
