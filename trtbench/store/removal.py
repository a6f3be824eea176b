"""Removes artifacts and logs from a store, but nothing that a process is making or building from."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.errors import ArtifactError, SpecError
from trtbench.results import EngineManifest, OnnxManifest, Removal, RemovedItem
from trtbench.store.artifacts import Store, read_manifest
from trtbench.store.files import writing
from trtbench.store.listing import FAILED_STAGES, failed_logs, id_of_log, size_of
from trtbench.store.locks import has_work, tried, work_path

_SHORTEST_ID = 4
_MAKERS = {"export": "models", "build": "engines"}
"""Where the lock of a stage lies."""


@dataclass(frozen=True)
class _Doomed:
    """A path to remove under the lock of ``owner`` in ``folder``, unless a process works in ``readers``."""

    path: Path
    what: str
    folder: Path
    owner: str
    readers: Path | None = None


def remove_named(store: Store, names: Sequence[str]) -> Removal:
    """Remove what each name stands for: a folder, a log, a path to one, or the first characters of an id.

    What a process is making, or a model while an engine is being built, is left and has the status
    ``in use``.

    Raises:
        SpecError: a name stands for nothing in the store, or for several things; nothing is removed.
        ArtifactError: the store cannot be written.
    """
    everything = [*_artifacts(store), *_failed_logs(store)]
    doomed = dict.fromkeys(_named(everything, name, store) for name in names)
    return Removal(items=tuple(_remove(each) for each in doomed))


def prune(store: Store, dry_run: bool = False) -> Removal:
    """Remove what the store does not need.

    That is: engines of exported models that are gone, logs of failed exports and builds, and what dead
    processes left. Engines of bare ONNX files stay, for trtbench cannot make these files again.

    Raises:
        ArtifactError: the store cannot be written.
    """
    doomed = [*_engines_without_model(store), *_failed_logs(store), *_leftovers(store)]
    return Removal(
        dry_run=dry_run,
        items=tuple(_remove(each, dry_run) for each in doomed),
    )


def _artifacts(store: Store) -> Iterator[_Doomed]:
    engines = store.root / "engines"
    for path in store.folders(OnnxManifest):
        yield _Doomed(path, "model", path.parent, _id_of_folder(path), readers=engines)
    for path in store.folders(EngineManifest):
        yield _Doomed(path, "engine", path.parent, _id_of_folder(path))


def _id_of_folder(path: Path) -> str:
    return path.name.rpartition("-")[2]


def _failed_logs(store: Store) -> Iterator[_Doomed]:
    for stage in FAILED_STAGES:
        for path in failed_logs(store, stage):
            yield _Doomed(path, f"log of a failed {stage}", store.root / _MAKERS[stage], id_of_log(path))


def _engines_without_model(store: Store) -> Iterator[_Doomed]:
    models = {sha for path in store.folders(OnnxManifest) for sha in _sha256_of_model(path)}
    for each in _artifacts(store):
        if each.what != "engine":
            continue
        try:
            manifest = read_manifest(each.path)
        except ArtifactError:
            continue
        if not isinstance(manifest, EngineManifest) or manifest.export is None:
            continue
        if manifest.onnx_sha256 not in models and not Path(manifest.onnx_path).is_file():
            yield _Doomed(each.path, "engine of a model that is gone", each.folder, each.owner)


def _sha256_of_model(path: Path) -> Iterator[str]:
    try:
        manifest = read_manifest(path)
    except ArtifactError:
        return
    if manifest.files:
        yield manifest.files[0].sha256


def _leftovers(store: Store) -> Iterator[_Doomed]:
    for folder in (store.root / "models", store.root / "engines", store.results):
        for path in folder.glob(".tmp-*"):
            owner = path.name.removeprefix(".tmp-").rpartition("-")[0]
            yield _Doomed(path, "partial files of a process that ended", folder, owner)
    for stage in FAILED_STAGES:
        for path in (store.results / f"failed-{stage}s").glob("*.part"):
            yield _Doomed(path, "partial log", store.root / _MAKERS[stage], id_of_log(path))


def _named(everything: Sequence[_Doomed], name: str, store: Store) -> _Doomed:
    path = Path(name).absolute()
    found = [
        each
        for each in everything
        if each.path.name == name
        or each.path.absolute() == path
        or (len(name) >= _SHORTEST_ID and each.owner.startswith(name))
    ]
    if not found:
        raise SpecError(f"{name}: nothing in {store.root.absolute()} has this name or id; see trtbench ls")
    if len(found) > 1:
        names = ", ".join(each.path.name for each in found)
        raise SpecError(f"{name}: stands for several: {names}; name one in full")
    return found[0]


def _remove(doomed: _Doomed, dry_run: bool = False) -> RemovedItem:
    size_bytes = size_of(doomed.path)
    with tried(doomed.folder, doomed.owner) as is_free:
        is_free = is_free and not (doomed.readers is not None and has_work(doomed.readers))
        if is_free and not dry_run:
            _remove_at_once(doomed)
    return RemovedItem(
        path=str(doomed.path),
        what=doomed.what,
        size_bytes=size_bytes,
        status="removed" if is_free else "in use",
    )


def _remove_at_once(doomed: _Doomed) -> None:
    """Rename folders first, so that no reader finds half an artifact."""
    with writing(doomed.path):
        if not doomed.path.is_dir():
            doomed.path.unlink()
            return
        work = work_path(doomed.path, doomed.owner)
        doomed.path.rename(work)
        shutil.rmtree(work)
