"""What a store holds, from its manifests; no other file is read."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from trtbench.errors import ArtifactError
from trtbench.results import (
    EngineManifest,
    FailedLog,
    OnnxManifest,
    StoredEngine,
    StoredModel,
    StoreListing,
    UnreadableArtifact,
)
from trtbench.store.artifacts import Store, read_manifest

FAILED_STAGES: tuple[Literal["export", "build"], ...] = ("export", "build")


def list_store(store: Store) -> StoreListing:
    """List models, engines and failed builds, oldest first; an empty or missing store lists nothing."""
    models, engines, unreadable = [], [], []
    for directory in (*store.folders(OnnxManifest), *store.folders(EngineManifest)):
        try:
            manifest = read_manifest(directory)
        except ArtifactError as error:
            unreadable.append(
                UnreadableArtifact(path=str(directory), reason=str(error), size_bytes=size_of(directory))
            )
            continue
        if isinstance(manifest, OnnxManifest):
            models.append(_model(directory, manifest))
        else:
            engines.append(_engine(directory, manifest))
    return StoreListing(
        root=str(store.root.absolute()),
        models=tuple(sorted(models, key=lambda each: each.created_utc)),
        engines=tuple(sorted(engines, key=lambda each: each.created_utc)),
        failed=tuple(_failed(path, stage) for stage in FAILED_STAGES for path in failed_logs(store, stage)),
        unreadable=tuple(unreadable),
    )


def failed_logs(store: Store, stage: str) -> list[Path]:
    """The logs that ``Store.keep_failed_log`` wrote, by name."""
    return sorted((store.results / f"failed-{stage}s").glob("*.log"))


def id_of_log(path: Path) -> str:
    """The spec_id at the end of the name of a failed log."""
    return path.stem.rpartition("-")[2]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = (each for each in (path, *path.rglob("*")) if each.is_file())
    return sum(each.stat().st_size for each in files)


def _model(directory: Path, manifest: OnnxManifest) -> StoredModel:
    return StoredModel(
        name=directory.name,
        spec_id=manifest.spec_id,
        spec=manifest.spec,
        size_bytes=size_of(directory),
        created_utc=manifest.created_utc,
    )


def _engine(directory: Path, manifest: EngineManifest) -> StoredEngine:
    return StoredEngine(
        name=directory.name,
        spec_id=manifest.spec_id,
        spec=manifest.spec,
        export=manifest.export,
        onnx_path=manifest.onnx_path,
        backend=manifest.backend,
        backend_version=manifest.backend_version,
        size_bytes=size_of(directory),
        created_utc=manifest.created_utc,
    )


def _failed(path: Path, stage: Literal["export", "build"]) -> FailedLog:
    written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return FailedLog(
        name=path.name,
        spec_id=id_of_log(path),
        stage=stage,
        size_bytes=size_of(path),
        created_utc=written.isoformat(timespec="seconds"),
    )
