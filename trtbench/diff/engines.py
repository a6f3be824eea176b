"""What differs between two engines, from their compiled layers."""

from dataclasses import dataclass
from pathlib import Path

from trtbench.audit.graph import Shapes
from trtbench.audit.inspect import inspect_engine
from trtbench.diff.align import align
from trtbench.diff.changes import changes_of, totals_by_role
from trtbench.diff.places import place_layers
from trtbench.errors import IncompatibleResults, SpecError
from trtbench.results import Audit, AuditedLayer, EngineManifest
from trtbench.results.diff import DiffedEngine, EngineDiff, LayerChange
from trtbench.store.artifacts import Artifact, EngineArtifact, load_artifact


@dataclass(frozen=True)
class AuditedEngine:
    """An engine of the store with its audit."""

    engine: EngineArtifact
    audit: Audit


def diff(before: Path, after: Path, shapes: Shapes | None = None) -> EngineDiff:
    """Compare two engines of the store (directory, manifest or payload).

    ``shapes``: of dynamic inputs, by name; default: the optimum of the first profile.

    Raises:
        SpecError: nothing is at one of the paths, or no engine of a store, or a shape does not fit.
        ArtifactError: an engine is damaged, or its ONNX model is gone.
        IncompatibleResults: they are of two networks, batches or image sizes.
    """
    engines = _load(before), _load(after)
    first, second = (AuditedEngine(engine, inspect_engine(engine, shapes)) for engine in engines)
    return diff_engines(first, second)


def diff_engines(before: AuditedEngine, after: AuditedEngine) -> EngineDiff:
    """Compare two engines of one network, in whatever precision, version and target.

    Raises:
        IncompatibleResults: they are of two networks, batches or image sizes.
    """
    _check_network(before, after)
    first, second = before.audit.layers, after.audit.layers
    return EngineDiff(
        before=_diffed(before),
        after=_diffed(after),
        changes=diff_layers(first, second),
        by_role=totals_by_role(first, second),
    )


def diff_layers(before: tuple[AuditedLayer, ...], after: tuple[AuditedLayer, ...]) -> tuple[LayerChange, ...]:
    """Align the audited kernels of two engines of one network; every kernel is in one change."""
    return changes_of(align(place_layers(before), place_layers(after)))


def _check_network(before: AuditedEngine, after: AuditedEngine) -> None:
    """Refuse what moves other bytes by other kernels for another reason than the compiler's.

    Of a bare ONNX file, the shapes of the inputs are all that is known of its network.
    """
    sides = _diffed(before), _diffed(after)
    names = {side.model for side in sides if side.model is not None}
    shapes = {tuple(side.inputs.values()) for side in sides}
    if len(names) > 1 or len(shapes) > 1:
        folders = [each.engine.directory.name for each in (before, after)]
        networks = [side.network for side in sides]
        raise IncompatibleResults(
            f"{' and '.join(folders)} are engines of {' and '.join(networks)}: diff takes two engines of one "
            "network, batch and image size"
        )


def _load(path: Path) -> EngineArtifact:
    artifact = load_artifact(path)
    if not isinstance(artifact.manifest, EngineManifest):
        raise SpecError(f"{path}: an exported model; diff takes two engines: build it first")
    return Artifact(artifact.directory, artifact.manifest)


def _diffed(audited: AuditedEngine) -> DiffedEngine:
    manifest, layers = audited.engine.manifest, audited.audit.layers
    record = manifest.files[0]
    return DiffedEngine(
        path=str(audited.engine.payload),
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        model=_model(manifest),
        inputs=audited.audit.inputs,
        recipe=None if manifest.export is None else manifest.export.recipe,
        backend=manifest.backend,
        backend_version=manifest.backend_version,
        targets=manifest.spec.targets,
        onnx_sha256=manifest.onnx_sha256,
        kernels=len(layers),
        bytes=sum(layer.bytes for layer in layers),
    )


def _model(manifest: EngineManifest) -> str | None:
    if manifest.export is None:
        return None
    model = manifest.export.model
    changes = ", ".join(model.changes)
    return f"{model.name} with {changes}" if changes else model.name
