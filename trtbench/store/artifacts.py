"""The store of exported models and engines: an artifact is there whole or not at all, verified when read.

Under the root, ``models/<slug>-<spec_id>/`` and ``engines/<slug>-<compiler>-<spec_id>/`` hold the files of an
artifact and its ``manifest.json``; the spec_id at the end identifies it, the rest of the name is for people.
``results/<name>.json`` is a result. Beside the artifacts lie ``.lock-<spec_id>``, locked by the process that
makes the artifact until it ends or dies, and ``.tmp-<spec_id>-<random>``, work in progress or, when nobody
holds that lock, what a dead process left.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from trtbench.errors import ArtifactError, SpecError
from trtbench.progress import OnStep, silent
from trtbench.results import SCHEMA_VERSION, EngineManifest, FileRecord, OnnxManifest
from trtbench.specs import Spec
from trtbench.store.seal import check_secret, has_seal, write_seal
from trtbench.units import format_bytes

M = TypeVar("M", OnnxManifest, EngineManifest)

_FOLDERS: dict[type[Spec], str] = {OnnxManifest: "models", EngineManifest: "engines"}
_MANIFESTS: dict[str, type[OnnxManifest] | type[EngineManifest]] = {
    "onnx": OnnxManifest,
    "engine": EngineManifest,
}
_MANIFEST_NAME = "manifest.json"
_COMPILERS = {"tensorrt_rtx": "rtx", "tensorrt": "trt", "trtexec": "trtexec"}
"""What names of folders call a compiler, in front of its version."""
_CHUNK_BYTES = 1 << 20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NOT_BUILT_HERE = (
    "this store did not build this engine, and an engine runs whatever code its maker put in it: "
    "if you trust its maker, say --trust; else build it again"
)
"""Why an engine is not loaded."""

_NAME_LENGTH = 150  # Linux ends file names at 255 bytes, and ours get a spec_id


@dataclass(frozen=True)
class Artifact(Generic[M]):
    """A directory whose files are those that its manifest lists."""

    directory: Path
    manifest: M

    @property
    def payload(self) -> Path:
        """The model or the engine itself."""
        return self.directory / self.manifest.files[0].name


OnnxArtifact = Artifact[OnnxManifest]
EngineArtifact = Artifact[EngineManifest]


@dataclass(frozen=True)
class Store:
    """Artifacts and results under ``root``; several processes may use one store at the same time."""

    root: Path

    def find(self, manifest_type: type[M], slug: str, spec_id: str) -> Artifact[M] | None:
        """Return the artifact when it is there and whole; writes nothing, so a read-only store will do."""
        try:
            return _read_as(manifest_type, self._directory(manifest_type, slug, spec_id), spec_id)
        except ArtifactError:
            return None

    def get_or_make(
        self,
        manifest_type: type[M],
        slug: str,
        spec_id: str,
        make: Callable[[Path], M],
        on_step: OnStep = silent,
    ) -> tuple[Artifact[M], bool]:
        """Return the artifact and whether it was made now; a damaged one, or another's engine, is made again.

        Args:
            manifest_type: what kind of artifact.
            slug: the part of the directory's name for people, such as ``vit_base-nvfp4-b64``; that of an
                engine also gets its compiler.
            spec_id: identifies the artifact.
            make: writes the files into the empty directory it is given and returns their manifest.
            on_step: told of a wait for another process, and of damage.

        Raises:
            ArtifactError: the store cannot be written, is full, or seals engines by another user's secret.
        """
        artifact = self.find(manifest_type, slug, spec_id)
        if artifact is not None:
            return artifact, False
        directory = self._directory(manifest_type, slug, spec_id)
        if manifest_type is EngineManifest:
            check_secret(directory.parent)
        with _locked(directory.parent / f".lock-{spec_id}", on_step):
            _remove_leftovers(directory.parent, spec_id)
            directory = self._directory(
                manifest_type, slug, spec_id
            )  # by now another process may have named it
            if os.path.lexists(directory):
                try:
                    return _read_as(manifest_type, directory, spec_id), False
                except ArtifactError as damage:
                    on_step(f"make it again: {damage}")
            return _make(directory, spec_id, make), True

    def keep_failed_log(self, stage: str, slug: str, spec_id: str, log_path: Path) -> str:
        """Copy the log of a failed stage out of its work directory; say where it is, or that it is lost."""
        kept = self.root / "results" / f"failed-{stage}s" / f"{file_name(slug)}-{spec_id}.log"
        work = kept.with_suffix(".part")
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log_path, work)
            work.replace(kept)
        except OSError as error:
            return f"lost, {error.strerror}"
        return str(kept)

    def check_built_here(self, engine: EngineArtifact) -> None:
        """Refuse an engine that this store did not build, or that was changed since.

        Raises:
            ArtifactError: so it is; the text says what to do.
        """
        folder = self.root / _FOLDERS[EngineManifest]
        try:
            is_sealed = has_seal(folder, engine.directory / _MANIFEST_NAME)
        except ArtifactError as error:
            raise ArtifactError(f"{error}; or say --trust if you trust the maker of its engines") from error
        if not is_sealed:
            raise ArtifactError(f"{engine.directory}: {NOT_BUILT_HERE}")

    def _directory(self, manifest_type: type[M], slug: str, spec_id: str) -> Path:
        """Where the artifact lies, whatever its name begins with; where it is to lie, if there is none."""
        folder = self.root / _FOLDERS[manifest_type]
        return min(folder.glob(f"[!.]*-{spec_id}"), default=folder / f"{file_name(slug)}-{spec_id}")


def load_artifact(path: Path) -> OnnxArtifact | EngineArtifact:
    """Open the artifact of a directory, of its manifest, or of one of its files, and verify every file.

    Raises:
        SpecError: nothing is at that path, or no artifact.
        ArtifactError: it is damaged, or its schema is another.
    """
    if not os.path.lexists(path):
        raise SpecError(f"{path}: is missing: name a folder under models/ or engines/, or a file in one")
    with _reading(path):
        directory = path if stat.S_ISDIR(path.stat().st_mode) else path.parent
    if not os.path.lexists(directory / _MANIFEST_NAME):
        raise SpecError(
            f"{path}: no model or engine of a store, for {directory.absolute()} has no {_MANIFEST_NAME}: "
            "name a folder under models/ or engines/, or a file in one"
        )
    try:
        manifest = _read_verified(directory)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; export or build it again") from error
    names = {_MANIFEST_NAME, *(file.name for file in manifest.files)}
    if path != directory and path.name not in names:
        raise ArtifactError(f"{path}: not among the files that {directory / _MANIFEST_NAME} lists")
    if isinstance(manifest, OnnxManifest):
        return OnnxArtifact(directory, manifest)
    return EngineArtifact(directory, manifest)


def save_result(store: Store, name: str, result: Spec) -> Path:
    """Write ``results/<name>.json`` all at once, in place of an older one.

    Raises:
        ArtifactError: the store cannot be written, or is full.
    """
    path = store.root / "results" / f"{file_name(name)}.json"
    work = _hidden_sibling(path, "results")
    with _locked(path.with_name(".lock-results"), silent), _writing(path):
        _remove_leftovers(path.parent, "results")
        try:
            _write_json(work, result)
            _sync(work)
            work.replace(path)
            _sync(path.parent)
        finally:
            _remove(work)
    return path


def file_record(path: Path) -> FileRecord:
    """Describe a file by name, SHA-256 and size.

    Raises:
        ArtifactError: the file cannot be read.
    """
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    digest = sha256()
    size_bytes = 0
    with _reading(path), path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            size_bytes += count
    return FileRecord(name=path.name, sha256=digest.hexdigest(), size_bytes=size_bytes)


def _make(directory: Path, spec_id: str, make: Callable[[Path], M]) -> Artifact[M]:
    """Let ``make`` work in a directory beside ``directory`` and move it there; the lock is held."""
    work = _hidden_sibling(directory, spec_id)
    try:
        with _writing(directory):
            work.mkdir()
        manifest = make(work)
        if isinstance(manifest, EngineManifest) and not os.path.lexists(directory):
            directory = directory.with_name(_engine_name(directory.name, manifest))
        with _writing(directory):
            _publish(work, directory, spec_id, manifest)
    except OSError as error:
        # Anything else that make met (no network, a missing tool) is not the store's to explain.
        if error.errno in _NO_ROOM:
            raise _write_error(directory, error) from error
        raise
    finally:
        _remove(work)
    return Artifact(directory, manifest)


def _publish(work: Path, directory: Path, spec_id: str, manifest: M) -> None:
    """Write the manifest, read all of it back, and rename, with each step on the disk before the next."""
    _write_json(work / _MANIFEST_NAME, manifest)
    if isinstance(manifest, EngineManifest):
        write_seal(directory.parent, work / _MANIFEST_NAME)
    _read_as(type(manifest), work, spec_id)
    for path in (*work.rglob("*"), work):
        _sync(path)
    damaged = _hidden_sibling(directory, spec_id)
    if os.path.lexists(directory):
        directory.rename(damaged)
    work.rename(directory)
    _sync(directory.parent)
    _remove(damaged)


def _engine_name(name: str, manifest: EngineManifest) -> str:
    """Add who built it, which is known once it is built, in front of the identity."""
    compiler = file_name(f"{_COMPILERS.get(manifest.backend, manifest.backend)}{manifest.backend_version}")
    return f"{name.removesuffix(manifest.spec_id)}{compiler}-{manifest.spec_id}"


def file_name(text: str) -> str:
    """Make a file name of a model name such as ``hf_hub:timm/vit``."""
    return re.sub(r"[^\w.+@=-]", "-", text, flags=re.ASCII)[:_NAME_LENGTH].lstrip(".")


def _hidden_sibling(path: Path, owner: str) -> Path:
    """Name a path on the same file system (mkdtemp would make a directory that shuts out other users)."""
    return path.with_name(f".tmp-{owner}-{secrets.token_hex(4)}")


def _remove_leftovers(folder: Path, owner: str) -> None:
    """Remove what dead processes left: of ``owner``, whose lock is held, and of every lock that is free."""
    for path in folder.glob(".tmp-*"):
        path_owner = path.name.removeprefix(".tmp-").rpartition("-")[0]
        if path_owner == owner:
            _remove(path)
            continue
        with suppress(OSError):
            lock = _open_lock(folder / f".lock-{path_owner}")
            try:
                if _try_lock(lock):
                    _remove(path)
            finally:
                _release(lock)


def _remove(path: Path) -> None:
    """Remove a file or a directory, if it is there; what resists is left to the next run."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def _locked(path: Path, on_step: OnStep) -> Iterator[None]:
    """Hold the lock file ``path``; the kernel releases it even when this process is killed."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _open_lock(path)
    try:
        with _writing(path):
            is_free = _try_lock(lock)
        if not is_free:
            on_step("wait for another process that is making the same")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        _release(lock)


def _open_lock(path: Path) -> int:
    """Open a lock file. It is never removed: who waits for it would then hold another lock than newcomers."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release(lock: int) -> None:
    """Unlock and close; closing alone would not do when a forked child holds the descriptor, too."""
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


def _read_verified(directory: Path) -> OnnxManifest | EngineManifest:
    """Read the manifest and verify the files.

    Raises:
        ArtifactError: which file is damaged, and how.
    """
    manifest = _read_manifest(directory / _MANIFEST_NAME)
    if not manifest.files:
        raise ArtifactError(f"{directory / _MANIFEST_NAME}: lists no files")
    for record in manifest.files:
        _verify(directory, record)
    return manifest


def _read_as(manifest_type: type[M], directory: Path, spec_id: str) -> Artifact[M]:
    """Read an artifact that must be of the type and the identity given, an engine with the store's seal."""
    manifest = _read_verified(directory)
    if not isinstance(manifest, manifest_type) or manifest.spec_id != spec_id:
        found = f"describes {manifest.kind} {manifest.spec_id}"
        raise ArtifactError(f"{directory / _MANIFEST_NAME}: {found}, not {spec_id}")
    if isinstance(manifest, EngineManifest) and not has_seal(directory.parent, directory / _MANIFEST_NAME):
        raise ArtifactError(f"{directory}: this store did not build it")
    return Artifact(directory, manifest)


def _read_manifest(path: Path) -> OnnxManifest | EngineManifest:
    with _reading(path):
        text = path.read_bytes()
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: not JSON: {error}") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise ArtifactError(f"{path}: schema_version {version}, this trtbench reads {SCHEMA_VERSION}")
    manifest_type = _MANIFESTS.get(str(raw.get("kind")))
    if manifest_type is None:
        raise ArtifactError(f"{path}: kind {raw.get('kind')!r}, a manifest is one of {', '.join(_MANIFESTS)}")
    try:
        return manifest_type.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"{path}: field {field}: {first['msg']}") from error
    except SpecError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _verify(directory: Path, record: FileRecord) -> None:
    """Compare a file with its record, the cheap test first."""
    path = directory / record.name
    if path.parent != directory:
        raise ArtifactError(f"{directory / _MANIFEST_NAME}: lists {record.name!r}, a file must be beside it")
    with _reading(path):
        size_bytes = path.stat().st_size
    if size_bytes != record.size_bytes:
        raise ArtifactError(f"{path}: {size_bytes} bytes, the manifest says {record.size_bytes}")
    seen = file_record(path).sha256
    if seen != record.sha256:
        raise ArtifactError(f"{path}: sha256 {seen[:12]}..., the manifest says {record.sha256[:12]}...")


def _write_json(path: Path, model: Spec) -> None:
    path.write_text(model.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    """Wait until a file or a directory is on the disk, not only in the page cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: is missing") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _write_error(path, error) from error


def _write_error(path: Path, error: OSError) -> ArtifactError:
    """Say which path could not be written: the one that the error names, or else ``path``."""
    where = Path(error.filename) if isinstance(error.filename, str) else path
    reason = error.strerror
    if error.errno in _NO_ROOM:
        reason = f"{reason} ({_free_text(where)} free)"
    return ArtifactError(
        f"{where}: cannot be written: {reason}; make room or choose another store with --store"
    )


def _free_text(path: Path) -> str:
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    return format_bytes(shutil.disk_usage(there).free)
