"""What a path names: an artifact of a store, or a bare file."""

import os
from collections.abc import Sequence
from pathlib import Path

from trtbench.errors import ArtifactError
from trtbench.results import EngineManifest, OnnxManifest
from trtbench.store.artifacts import Artifact, OnnxArtifact, load_artifact


def load_onnx(path: Path, verb: str) -> OnnxArtifact | Path:
    """Open what ``path`` names: an exported artifact (directory, manifest or payload), else a bare ONNX file.

    Raises:
        SpecError: nothing is at that path.
        ArtifactError: it is damaged, or an engine, which ``verb`` does not take.
    """
    if is_bare(path):
        return path
    artifact = load_artifact(path)
    if isinstance(artifact.manifest, OnnxManifest):
        return OnnxArtifact(artifact.directory, artifact.manifest)
    raise ArtifactError(
        f"{path}: an engine; {verb} takes an exported model or an .onnx file: name the one it was built "
        f"from, {_model_of(artifact)}"
    )


def _model_of(engine: Artifact[EngineManifest]) -> Path:
    """The model of an engine, which lies in the same store if trtbench exported it."""
    model = Path(engine.manifest.onnx_path)
    if engine.manifest.export is None:
        return model
    models = engine.directory.absolute().parents[1] / "models"
    return Path(os.path.relpath(models / model.parent.name))


def labels_of_paths(paths: Sequence[Path]) -> list[str]:
    """Call each path by its name, a file of an artifact by the artifact's; in full where names are alike."""
    names = [_name_of(path.absolute()) for path in paths]  # "." and what is in it have no other folder's name
    return [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]


def is_bare(path: Path) -> bool:
    """Whether a file is no part of an artifact."""
    return path.is_file() and not (path.parent / "manifest.json").is_file()


def _name_of(path: Path) -> str:
    if is_bare(path):
        return path.stem
    return path.parent.name if path.is_file() else path.name
