"""Several recipes of one model, side by side: do what is missing, reuse what is there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import export
from trtbench.host.hardware import collect_environment
from trtbench.progress import OnRecipeStep
from trtbench.results import (
    Audit,
    Comparison,
    ComparisonRow,
    CompiledSummary,
    EngineSummary,
    Finding,
    OnnxSummary,
)
from trtbench.specs import BuildSpec, ExportSpec, InputsSpec
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact, Store
from trtbench.verify import fidelity_of, load_reference

if TYPE_CHECKING:
    from trtbench.verify.emulation import Reference

_IMAGES = InputsSpec(samples=8)
"""Few, since a comparison is of many recipes; ``verify`` takes as many as are asked for."""


def compare(
    exports: Sequence[ExportSpec], build_spec: BuildSpec, store: Store, on_step: OnRecipeStep
) -> Comparison:
    """Export, build, audit and verify each of ``exports``; one that fails becomes a row with its reason.

    Args:
        exports: one spec a recipe, alike but for the recipe; the first is the baseline.
        build_spec: how every engine is built; sparse recipes turn its sparsity flag on.
        store: where artifacts are looked up and kept.
        on_step: told of each step.

    Raises:
        SpecError: the request is wrong for every recipe (unknown model, target or option).
    """
    if not exports:
        raise SpecError("nothing to compare: name at least one recipe, such as fp16")
    rows = [compiled_row(spec, build_spec, store, on_step) for spec in exports]
    return comparison_of(exports, build_spec.targets, _with_fidelity(rows, exports, store, on_step))


def _with_fidelity(
    rows: Sequence[ComparisonRow], exports: Sequence[ExportSpec], store: Store, on_step: OnRecipeStep
) -> list[ComparisonRow]:
    """Add how far each ONNX file is from the FP32 model; where that cannot be told, a finding says why."""
    if all(row.onnx is None for row in rows):
        return list(rows)
    baseline = str(exports[0].recipe)
    try:
        reference = load_reference(exports[0], store, _IMAGES, lambda step: on_step(baseline, step))
    except SpecError:
        raise
    except TrtbenchError as error:
        return [_without_fidelity(row, error) for row in rows]
    return [_verified(row, spec, reference, store, on_step) for row, spec in zip(rows, exports, strict=True)]


def _verified(
    row: ComparisonRow, spec: ExportSpec, reference: "Reference", store: Store, on_step: OnRecipeStep
) -> ComparisonRow:
    if row.onnx is None:
        return row
    name = str(spec.recipe)
    try:
        onnx, _ = export(spec, store)
        fidelity = fidelity_of(onnx, reference, store, lambda step: on_step(name, f"verify: {step}"))
    except TrtbenchError as error:
        return _without_fidelity(row, error)
    return row.model_copy(update={"fidelity": fidelity})


def _without_fidelity(row: ComparisonRow, error: TrtbenchError) -> ComparisonRow:
    finding = Finding(
        code="FIDELITY_UNKNOWN",
        severity="info",
        message=f"the distance from the FP32 model was not computed: {error}",
        hint="trtbench verify tells more",
    )
    return row.model_copy(update={"findings": (*row.findings, finding)})


def comparison_of(
    exports: Sequence[ExportSpec], targets: Sequence[str], rows: Sequence[ComparisonRow]
) -> Comparison:
    """Put rows side by side, compiled for ``targets`` if at all; the first recipe is the baseline."""
    return Comparison(
        environment=collect_environment().model_dump(mode="json"),
        model=exports[0].model.name,
        batch=exports[0].batch,
        img_size=exports[0].model.img_size,
        target={"sm": ",".join(targets) or None, "gpu": None},
        baseline=str(exports[0].recipe),
        rows=tuple(rows),
    )


def compiled_row(
    spec: ExportSpec, build_spec: BuildSpec, store: Store, on_step: OnRecipeStep
) -> ComparisonRow:
    """Take one recipe as far as it goes; what worked before a failure stays in the row."""
    row = ComparisonRow(recipe=spec.recipe, status="failed")
    try:
        onnx, _ = export(spec, store, lambda step: on_step(str(spec.recipe), f"export: {step}"))
        row = row.model_copy(update={"onnx": onnx_summary(onnx)})
        engine_spec = build_spec.model_copy(update={"sparsity": build_spec.sparsity or spec.recipe.sparse})
        engine, _ = build(onnx, engine_spec, store, lambda step: on_step(str(spec.recipe), f"build: {step}"))
        row = row.model_copy(update={"engine": engine_summary(engine)})
        on_step(str(spec.recipe), "audit: read the compiled layers")
        audit = inspect_engine(engine)
    except SpecError:
        raise
    except TrtbenchError as error:
        return row.model_copy(update={"reason": str(error)})
    return row.model_copy(
        update={"status": "ok", "compiled": compiled_summary(engine, audit), "findings": audit.findings}
    )


def onnx_summary(onnx: OnnxArtifact) -> OnnxSummary:
    """What a row tells of its ONNX file."""
    record = onnx.manifest.files[0]
    return OnnxSummary(
        path=str(onnx.payload), sha256=record.sha256, size_bytes=record.size_bytes, nodes=onnx.manifest.nodes
    )


def engine_summary(engine: EngineArtifact) -> EngineSummary:
    """What a row tells of its engine."""
    record, manifest = engine.manifest.files[0], engine.manifest
    return EngineSummary(
        path=str(engine.payload),
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        backend=manifest.backend,
        backend_version=manifest.backend_version,
        build_s=manifest.build_s,
    )


def compiled_summary(engine: EngineArtifact, audit: Audit) -> CompiledSummary:
    """What a row tells of the compiled layers."""
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
