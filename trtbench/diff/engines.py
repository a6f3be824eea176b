"""What differs between two engines, from their compiled layers."""

from pathlib import Path

from trtbench.artifacts import Artifact, EngineArtifact, load_artifact
from trtbench.diff.align import align
from trtbench.diff.changes import changes_of, totals_by_role
from trtbench.diff.places import place_layers
from trtbench.errors import IncompatibleResults, SpecError
from trtbench.inspect import inspect_engine
from trtbench.results import AuditedLayer, EngineManifest
from trtbench.results.diff import DiffedEngine, EngineDiff, LayerChange


def diff(before: Path, after: Path) -> EngineDiff:
    """Compare two engines of the store (directory, manifest or payload).

    Raises:
        SpecError: nothing is at one of the paths, or no engine of a store.
        ArtifactError: an engine is damaged, or its ONNX model is gone.
        IncompatibleResults: they are of two networks.
    """
    return diff_engines(_load(before), _load(after))


def diff_engines(before: EngineArtifact, after: EngineArtifact) -> EngineDiff:
    """Compare two engines of one network, in whatever precision, batch, version and target.

    Raises:
        IncompatibleResults: they are of two networks.
        ArtifactError: the ONNX model of one is gone or altered.
    """
    _check_network(before, after)
    first, second = inspect_engine(before).layers, inspect_engine(after).layers
    return EngineDiff(
        before=_engine(before, first),
        after=_engine(after, second),
        changes=diff_layers(first, second),
        by_role=totals_by_role(first, second),
    )


def diff_layers(before: tuple[AuditedLayer, ...], after: tuple[AuditedLayer, ...]) -> tuple[LayerChange, ...]:
    """Align the audited kernels of two engines of one network; every kernel is in one change."""
    return changes_of(align(place_layers(before), place_layers(after)))


def _check_network(before: EngineArtifact, after: EngineArtifact) -> None:
    """Refuse two networks, as far as the manifests tell: of a bare ONNX file they do not."""
    networks = [
        (export.model.name, export.model.overrides)
        for export in (before.manifest.export, after.manifest.export)
        if export is not None
    ]
    if len(set(networks)) > 1:
        names = " and ".join(f"{name} {dict(overrides) or ''}".strip() for name, overrides in networks)
        raise IncompatibleResults(
            f"{before.directory.name} and {after.directory.name} are engines of {names}: "
            "diff takes two engines of one network"
        )


def _load(path: Path) -> EngineArtifact:
    artifact = load_artifact(path)
    if not isinstance(artifact.manifest, EngineManifest):
        raise SpecError(f"{path}: an exported model; diff takes two engines: build it first")
    return Artifact(artifact.directory, artifact.manifest)


def _engine(engine: EngineArtifact, layers: tuple[AuditedLayer, ...]) -> DiffedEngine:
    manifest, record = engine.manifest, engine.manifest.files[0]
    return DiffedEngine(
        path=str(engine.payload),
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        recipe=None if manifest.export is None else manifest.export.recipe,
        backend=manifest.backend,
        backend_version=manifest.backend_version,
        targets=manifest.spec.targets,
        onnx_sha256=manifest.onnx_sha256,
        kernels=len(layers),
        bytes=sum(layer.bytes for layer in layers),
    )
