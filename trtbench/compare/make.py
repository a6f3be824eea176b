"""Make what cells lack, each thing once: export, build, audit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from trtbench.audit.graph import Shapes
from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.compare.cells import Cell
from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import export
from trtbench.host.processes import supervising_thread
from trtbench.progress import OnStep, Step, for_subject
from trtbench.results import Audit, CompiledSummary, EngineSummary, OnnxSummary
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact, Store

K = TypeVar("K")


def make(
    cells: Sequence[Cell],
    store: Store,
    rebuilds: Callable[[Cell], int],
    on_step: OnStep,
    on_export: Callable[[Sequence[Cell]], None] = lambda cells: None,
) -> None:
    """Export, build and audit what the cells need; a failure becomes the reason of its rows.

    Args:
        cells: those that failed already are left alone.
        store: where artifacts are looked up and kept.
        rebuilds: how many more engines a cell is to have.
        on_step: progress callback; the subject is the key of the first cell that a step is for.
        on_export: called with the cells of each model once it is exported.

    Raises:
        SpecError: the request is wrong.
    """
    with supervising_thread() as thread:
        builds = []
        for group in _grouped(cells, lambda cell: cell.export or (cell.file and cell.file.path)).values():
            _export(group, store, on_step)
            on_export(group)
            awaiting = _grouped(filter(_awaits_engine, group), lambda cell: (cell.place.word, cell.build))
            builds += [
                # The compiler is a process of its own: meanwhile the next model can be exported.
                thread.submit(_build, built, store, max(map(rebuilds, built)), on_step)
                for built in awaiting.values()
            ]
        for each in builds:
            each.result()


def _grouped(cells: Iterable[Cell], key: Callable[[Cell], K]) -> Mapping[K, list[Cell]]:
    groups: dict[K, list[Cell]] = {}
    for cell in cells:
        if cell.is_live:
            groups.setdefault(key(cell), []).append(cell)
    return groups


def _export(cells: Sequence[Cell], store: Store, on_step: OnStep) -> None:
    """Export the model of these cells, unless each runtime makes its own."""
    needing = [cell for cell in cells if cell.loads_onnx]
    if not needing:
        return
    first = needing[0]
    spec = first.export
    onnx: OnnxArtifact | None = first.file.onnx if first.file else None
    try:
        if spec is not None:
            onnx, _ = export(spec, store, for_subject(on_step, first.key))
    except SpecError:
        raise
    except TrtbenchError as error:
        for cell in needing:
            cell.fail(error)
        return
    for cell in needing:
        cell.onnx = onnx
        if onnx is not None:
            cell.tell(onnx=_onnx_summary(onnx), findings=onnx.manifest.findings)


def _awaits_engine(cell: Cell) -> bool:
    return cell.build is not None and not cell.engines


def _build(cells: Sequence[Cell], store: Store, rebuilds: int, on_step: OnStep) -> None:
    first = cells[0]
    tell = for_subject(on_step, first.key)
    model: OnnxArtifact | Path | None = first.onnx or (first.file.path if first.file else None)
    if model is None or first.build is None:
        raise ValueError(f"{first.key} has nothing to build from")
    try:
        engines = [
            build(model, first.build, store, tell, number, first.compiler)[0]
            for number in range(1 + rebuilds)
        ]
        tell(Step("audit", "read the compiled layers"))
        audit = inspect_engine(engines[0], _shapes_of(first))
    except SpecError:
        raise
    except TrtbenchError as error:
        for cell in cells:
            cell.fail(error)
        return
    for cell in cells:
        _tell_engines(cell, engines, audit)


def _shapes_of(cell: Cell) -> Shapes:
    """Shapes of inputs with a dynamic batch, at the batch of the cell."""
    if cell.export is None or cell.export.batch_range is None or cell.onnx is None:
        return {}
    return {record.name: (cell.export.batch, *record.shape[1:]) for record in cell.onnx.manifest.inputs}


def audit_files(cells: Sequence[Cell]) -> None:
    """Audit the engines that cells were given as files; a failure becomes the reason of its row."""
    for cell in cells:
        if cell.is_live and cell.file is not None and cell.file.engine is not None:
            try:
                _tell_engines(cell, [cell.file.engine], inspect_engine(cell.file.engine))
            except TrtbenchError as error:
                cell.fail(error)


def _tell_engines(cell: Cell, engines: list[EngineArtifact], audit: Audit) -> None:
    cell.engines, cell.audit = engines, audit
    cell.tell(
        targets=engines[0].manifest.spec.targets,
        engine=_engine_summary(engines[0]),
        compiled=_compiled_summary(engines[0], audit),
        findings=(*cell.row.findings, *audit.findings),
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
