"""What an ONNX model or an engine holds, layer by layer."""

from pathlib import Path

from pydantic import ValidationError

from trtbench.audit import audit_engine, audit_onnx
from trtbench.audit.graph import Shapes
from trtbench.audit.tactics import tactic_findings
from trtbench.build.readers.tactics import read_sparsity, read_tactics
from trtbench.errors import ArtifactError
from trtbench.results import Audit, CompiledEngine, OnnxManifest
from trtbench.specs import first_problem
from trtbench.store.artifacts import Artifact, EngineArtifact, load_artifact
from trtbench.store.files import file_record


def inspect(path: Path, shapes: Shapes | None = None) -> Audit:
    """Audit an artifact (directory, manifest or payload) or a bare ONNX file.

    Args:
        path: of the artifact or the file.
        shapes: of dynamic inputs, by name; of an engine, default: the optimum of its first profile.

    Raises:
        SpecError: nothing is at that path, or neither an artifact nor an ONNX model, or a shape does not fit.
        ArtifactError: an artifact is damaged, or an engine's ONNX model is gone or altered.
    """
    if path.is_file() and path.suffix == ".onnx" and not (path.parent / "manifest.json").is_file():
        return audit_onnx(path, shapes=shapes)
    artifact = load_artifact(path)
    if isinstance(artifact.manifest, OnnxManifest):
        manifest = artifact.manifest
        shapes = {**stated_shapes(manifest), **(shapes or {})}
        return audit_onnx(artifact.payload, manifest.spec.recipe, _analytic_flops(manifest, shapes), shapes)
    return inspect_engine(Artifact(artifact.directory, artifact.manifest), shapes)


def inspect_engine(engine: EngineArtifact, shapes: Shapes | None = None) -> Audit:
    """Audit an engine against the ONNX model that it was built from; ``shapes`` as in ``inspect``."""
    onnx_path, manifest = source_model(engine)
    shapes = {**_optimum(engine), **(shapes or {})}
    compiled, log_path = _compiled(engine.path_of("layers.json")), engine.path_of("build.log")
    sparsity = read_sparsity(log_path)
    audit = audit_engine(
        onnx_path,
        compiled.layers,
        recipe=None if engine.manifest.export is None else engine.manifest.export.recipe,
        backend=f"{engine.manifest.backend} {engine.manifest.backend_version}",
        analytic_flops=None if manifest is None else _analytic_flops(manifest, shapes),
        sparsity_requested=engine.manifest.spec.sparsity,
        sparse_eligible=sparsity.eligible,
        sparse_picked=sparsity.picked,
        shapes=shapes,
    )
    tactics = read_tactics(log_path)
    return audit.model_copy(
        update={
            "targets": engine.manifest.spec.targets,
            "findings": (*audit.findings, *tactic_findings(tactics)),
            "tactics": tactics.choices,
        }
    )


def _compiled(path: Path) -> CompiledEngine:
    try:
        return CompiledEngine.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ArtifactError(f"{path}: {first_problem(error)}") from error


def _optimum(engine: EngineArtifact) -> Shapes:
    """Optimum shapes of dynamic inputs in the first profile."""
    profiles = engine.manifest.spec.options.profiles
    return {entry.input: entry.opt_shape for entry in profiles[0]} if profiles else {}


def stated_shapes(manifest: OnnxManifest) -> Shapes:
    """Shapes of inputs with a dynamic batch, at its optimum."""
    if manifest.spec.batch_range is None:
        return {}
    return {record.name: record.shape for record in manifest.inputs}


def _analytic_flops(manifest: OnnxManifest, shapes: Shapes) -> dict[str, int]:
    """FLOPs by role at the batch of ``shapes``; the manifest has those of its own batch."""
    own = next((each for each in manifest.inputs if each.shape and each.shape[0]), None)
    if own is None:  # a manifest of another maker
        return manifest.analytic_flops
    batch = (shapes.get(own.name) or own.shape)[0]
    return {role: flops * batch // own.shape[0] for role, flops in manifest.analytic_flops.items()}


def source_model(engine: EngineArtifact) -> tuple[Path, OnnxManifest | None]:
    """Find the ONNX model of an engine: its path, and its manifest if trtbench exported it.

    Raises:
        ArtifactError: it is gone or altered.
    """
    manifest = engine.manifest
    path = Path(manifest.onnx_path)
    # A store that was moved or copied, and a packed engine, have the model in the same folder.
    in_store = engine.directory.absolute().parents[1] / "models" / path.parent.name / path.name
    if in_store.is_file() and (manifest.export is not None or not path.is_absolute()):
        path = in_store
    if not path.is_file():
        raise ArtifactError(f"{path}: the ONNX model of this engine is gone: export and build it again")
    if (path.parent / "manifest.json").is_file():
        source = load_artifact(path)
        if (
            isinstance(source.manifest, OnnxManifest)
            and source.manifest.files[0].sha256 == manifest.onnx_sha256
        ):
            return path, source.manifest
    elif file_record(path).sha256 == manifest.onnx_sha256:
        return path, None
    raise ArtifactError(f"{path}: not the ONNX model that this engine was built from: build it again")
