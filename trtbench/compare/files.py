"""Files in place of recipes: artifacts of a store, and bare files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.build.source import source_of
from trtbench.results import EngineManifest, OnnxManifest
from trtbench.specs import ExportSpec
from trtbench.store.artifacts import Artifact, EngineArtifact, OnnxArtifact, load_artifact
from trtbench.store.paths import is_bare, labels_of_paths


@dataclass(frozen=True)
class File:
    """A subject that exists already: an exported model, an engine, or (both None) a bare file."""

    label: str
    path: Path
    onnx: OnnxArtifact | None = None
    engine: EngineArtifact | None = None

    @property
    def export(self) -> ExportSpec | None:
        """What it was exported from, where that is known."""
        if self.onnx is not None:
            return self.onnx.manifest.spec
        return self.engine.manifest.export if self.engine is not None else None

    @property
    def batch(self) -> int | None:
        """Images in a query; None where that is unknown or left open.

        Raises:
            ArtifactError: a bare file is damaged.
        """
        if self.export is not None:
            return self.export.batch
        model = Path(self.engine.manifest.onnx_path) if self.engine is not None else self.path
        if model.suffix != ".onnx" or not model.is_file():
            return None
        first = next((dims[0] for dims in source_of(model).inputs.values() if dims), None)
        return first if isinstance(first, int) else None

    @property
    def is_model(self) -> bool:
        """Whether an engine can be built from it."""
        return self.onnx is not None or (self.engine is None and self.path.suffix == ".onnx")


def open_files(paths: Sequence[Path]) -> list[File]:
    """Look what each path is, and verify artifacts.

    Raises:
        SpecError: a path does not exist, or a folder is not an artifact.
        ArtifactError: an artifact is damaged.
    """
    return [_open(label, path) for label, path in zip(labels_of_paths(paths), paths, strict=True)]


def engine_backend(path: Path) -> str | None:
    """The compiler of an engine in the store; None for models and bare files.

    Raises:
        ArtifactError: an artifact is missing or damaged.
    """
    engine = _open("", path).engine
    return None if engine is None else engine.manifest.backend


def _open(label: str, path: Path) -> File:
    if is_bare(path):
        return File(label, path)
    artifact = load_artifact(path)
    if isinstance(artifact.manifest, EngineManifest):
        return File(label, path, engine=Artifact(artifact.directory, artifact.manifest))
    manifest: OnnxManifest = artifact.manifest
    return File(label, path, onnx=Artifact(artifact.directory, manifest))
