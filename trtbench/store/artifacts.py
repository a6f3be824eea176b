"""The store of exported models and engines: an artifact is there whole or not at all, verified when read.

Under the root, ``models/<slug>-<spec_id>/`` and ``engines/<slug>-<compiler>-<spec_id>/`` hold the files of an
artifact and its ``manifest.json``; the spec_id at the end identifies it, the rest of the name is for people.
``results/<name>.json`` is a result, ``results/<name>/`` what it was made from. An artifact is made under the
lock of its spec_id (see ``locks.py``).
"""

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from trtbench.errors import ArtifactError, SpecError
from trtbench.host.json_text import parse_json
from trtbench.host.untrusted_files import TEXT_BYTES, check_untrusted, read_untrusted
from trtbench.progress import OnStep, Stage, Step, silent
from trtbench.results import SCHEMA_VERSION, EngineManifest, FileRecord, OnnxManifest
from trtbench.results.rows import Row
from trtbench.specs import Spec, first_problem
from trtbench.store.files import (
    file_name,
    file_record,
    full_error,
    is_full,
    reading,
    remove,
    sync,
    write_json,
    writing,
)
from trtbench.store.key import read_or_make_key
from trtbench.store.locks import locked, remove_leftovers, work_path
from trtbench.store.owner import check_owner
from trtbench.store.seal import has_old_key, has_seal, write_seal

M = TypeVar("M", OnnxManifest, EngineManifest)

_FOLDERS: dict[type[Spec], str] = {OnnxManifest: "models", EngineManifest: "engines"}
_RESULTS = "results"
_MANIFESTS: dict[str, type[OnnxManifest] | type[EngineManifest]] = {
    "onnx": OnnxManifest,
    "engine": EngineManifest,
}
_STAGES: dict[type[Spec], Stage] = {OnnxManifest: "export", EngineManifest: "build"}
_MANIFEST_NAME = "manifest.json"
_COMPILERS = {"tensorrt_rtx": "rtx", "tensorrt": "trt", "trtexec": "trtexec"}
"""What names of folders call a compiler, in front of its version."""
NOT_BUILT_HERE = (
    "you did not build this engine, and an engine runs whatever code its maker put in it: "
    "if you trust its maker, use --trust; otherwise build it again"
)
"""Why an engine is not loaded."""
_OLD_KEY = "was sealed with engines/.key, which anyone can put there"
"""Of an engine that an older trtbench may have built."""


@dataclass(frozen=True)
class Artifact(Generic[M]):
    """A directory whose files are those that its manifest lists."""

    directory: Path
    manifest: M

    @property
    def payload(self) -> Path:
        """The model or the engine itself."""
        return self.directory / self.manifest.files[0].name

    def path_of(self, name: str) -> Path:
        """One of its files.

        Raises:
            ArtifactError: the manifest does not list it, so nothing verified it.
        """
        if name not in (file.name for file in self.manifest.files):
            raise ArtifactError(f"{self.directory / _MANIFEST_NAME}: does not list {name}: make it again")
        return self.directory / name

    def to_rows(self) -> list[Row]:
        """The only row, as of the manifest."""
        return self.manifest.to_rows()

    def _repr_html_(self) -> str:
        return self.manifest._repr_html_()


OnnxArtifact = Artifact[OnnxManifest]
EngineArtifact = Artifact[EngineManifest]


@dataclass(frozen=True)
class Store:
    """Artifacts and results under ``root``; several processes may use one store at the same time.

    Raises:
        ArtifactError: it belongs to another user.
    """

    root: Path
    _seen: list[tuple[int, int]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_owner([self.root / name for name in (*_FOLDERS.values(), _RESULTS)])

    def check_in_place(self) -> None:
        """Refuse to write under a path that another folder had when the store was first used.

        Raises:
            ArtifactError: the store was moved or removed.
        """
        try:
            status = self.root.stat()
            found = (status.st_dev, status.st_ino)
        except OSError:
            found = None
        if self._seen and found != self._seen[0]:
            raise ArtifactError(
                f"{self.root}: was moved or removed while it was in use: run the command where it is now"
            )
        if found is not None and not self._seen:
            self._seen.append(found)

    @property
    def results(self) -> Path:
        """The folder of the results and of all that belongs to them."""
        return self.root / _RESULTS

    def result_path(self, name: str) -> Path:
        """Where the result ``name`` lies, or is to lie."""
        return self.results / f"{file_name(name)}.json"

    def folders(self, manifest_type: type[M]) -> list[Path]:
        """The directories of all artifacts of this type that have a manifest, damaged or not, by name."""
        found = (self.root / _FOLDERS[manifest_type]).glob(f"[!.]*/{_MANIFEST_NAME}")
        return sorted(path.parent for path in found)

    def find(self, manifest_type: type[M], slug: str, spec_id: str) -> Artifact[M] | None:
        """Return the artifact when it is there and whole; writes nothing, so a read-only store will do."""
        try:
            return _read_as(manifest_type, self._directory(manifest_type, slug, spec_id), spec_id)
        except ArtifactError:
            return None

    def recorded(self, manifest_type: type[M], slug: str, spec_id: str) -> Artifact[M] | None:
        """Return the artifact as its manifest describes it, its files unread: see ``check_whole``."""
        directory = self._directory(manifest_type, slug, spec_id)
        try:
            manifest = read_manifest(directory)
        except ArtifactError:
            return None
        if not isinstance(manifest, manifest_type) or manifest.spec_id != spec_id or not manifest.files:
            return None
        return Artifact(directory, manifest)

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
            on_step: progress callback: a wait for another process, and damage.

        Raises:
            ArtifactError: the store cannot be written, is full, or there is no key to seal engines with.
        """
        artifact = self.find(manifest_type, slug, spec_id)
        if artifact is not None:
            return artifact, False
        directory = self._directory(manifest_type, slug, spec_id)
        if manifest_type is EngineManifest:
            read_or_make_key()  # better before the engine is built than after
        self.check_in_place()
        with locked(directory.parent, spec_id, _STAGES[manifest_type], on_step):
            self.check_in_place()
            remove_leftovers(directory.parent, spec_id)
            directory = self._directory(
                manifest_type, slug, spec_id
            )  # by now another process may have named it
            if os.path.lexists(directory):
                try:
                    return _read_as(manifest_type, directory, spec_id), False
                except ArtifactError as damage:
                    on_step(Step(_STAGES[manifest_type], f"make it again: {damage}"))
            try:
                return _make(directory, spec_id, make), True
            except Exception:
                self.check_in_place()  # which explains whatever went wrong
                raise

    def keep_failed_log(self, stage: str, slug: str, spec_id: str, log_path: Path) -> str:
        """Copy the log of a failed stage out of its work directory; say where it is, or that it is lost."""
        kept = self.results / f"failed-{stage}s" / f"{file_name(slug)}-{spec_id}.log"
        work = kept.with_suffix(".part")
        try:
            self.check_in_place()
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log_path, work)
            work.replace(kept)
        except OSError as error:
            return f"lost, {error.strerror}"
        except ArtifactError:
            return "lost, the store was moved"
        finally:
            remove(work)
        return str(kept)

    def _directory(self, manifest_type: type[M], slug: str, spec_id: str) -> Path:
        """Where the artifact lies, whatever its name begins with; where it is to lie, if there is none."""
        folder = self.root / _FOLDERS[manifest_type]
        return min(folder.glob(f"[!.]*-{spec_id}"), default=folder / f"{file_name(slug)}-{spec_id}")


def check_whole(artifact: OnnxArtifact) -> None:
    """Compare the files of an artifact with its manifest; a file that this process has read costs nothing.

    Raises:
        ArtifactError: which file is damaged, and how.
    """
    for record in artifact.manifest.files:
        _verify(artifact.directory, record)


def check_built_here(engine: EngineArtifact) -> None:
    """Refuse an engine that this user did not build, or that was changed since.

    Raises:
        ArtifactError: the engine is untrusted; the text says what to do.
    """
    path = engine.directory / _MANIFEST_NAME
    content = _read_bytes(path)
    try:
        is_sealed = has_seal(path, content)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; or use --trust if you trust the engine's maker") from error
    # The manifest may have been replaced since the engine's was read.
    if not is_sealed or _parse_manifest(path, content) != engine.manifest:
        old = f"it {_OLD_KEY}; " if has_old_key(engine.directory.parent) else ""
        raise ArtifactError(f"{engine.directory}: {old}{NOT_BUILT_HERE}")


def load_artifact(path: Path) -> OnnxArtifact | EngineArtifact:
    """Open the artifact of a directory, of its manifest, or of one of its files, and verify every file.

    Raises:
        SpecError: nothing is at that path, or no artifact.
        ArtifactError: it is damaged, or its schema is another.
    """
    if not os.path.lexists(path):
        raise SpecError(f"{path}: is missing: name a folder under models/ or engines/, or a file in one")
    with reading(path):
        directory = path if stat.S_ISDIR(path.stat().st_mode) else path.parent
    if not os.path.lexists(directory / _MANIFEST_NAME):
        raise SpecError(
            f"{path}: not a model or engine of a store: {directory.absolute()} has no {_MANIFEST_NAME}; "
            "name a folder under models/ or engines/, or a file in one"
        )
    try:
        manifest, _ = _read_verified(directory)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; export or build it again") from error
    names = {_MANIFEST_NAME, *(file.name for file in manifest.files)}
    if path != directory and path.name not in names:
        raise ArtifactError(f"{path}: not among the files that {directory / _MANIFEST_NAME} lists")
    if isinstance(manifest, OnnxManifest):
        return OnnxArtifact(directory, manifest)
    return EngineArtifact(directory, manifest)


def read_manifest(directory: Path) -> OnnxManifest | EngineManifest:
    """Read the manifest of an artifact, and none of its files.

    Raises:
        ArtifactError: it is missing, damaged, or its schema is another.
    """
    path = directory / _MANIFEST_NAME
    return _parse_manifest(path, _read_bytes(path))


def results_beside(artifact: Path) -> Path:
    """The folder of the results in the store that holds the directory of an artifact."""
    return artifact.parent.parent / _RESULTS


def _make(directory: Path, spec_id: str, make: Callable[[Path], M]) -> Artifact[M]:
    """Let ``make`` work in a directory beside ``directory`` and move it there; the lock is held."""
    work = work_path(directory, spec_id)
    try:
        with writing(directory):
            work.mkdir()
        manifest = make(work)
        if isinstance(manifest, EngineManifest) and not os.path.lexists(directory):
            directory = directory.with_name(_engine_name(directory.name, manifest))
        with writing(directory):
            _publish(work, directory, spec_id, manifest)
    except OSError as error:
        # Anything else that make met (no network, a missing tool) is not the store's to explain.
        if is_full(error):
            raise full_error(directory, error) from error
        raise
    finally:
        remove(work)
    return Artifact(directory, manifest)


def _publish(work: Path, directory: Path, spec_id: str, manifest: M) -> None:
    """Write the manifest and rename, with each step on the disk before the next."""
    write_json(work / _MANIFEST_NAME, manifest)
    if isinstance(manifest, EngineManifest):
        write_seal(work / _MANIFEST_NAME)
    for path in (*work.rglob("*"), work):
        sync(path)
    damaged = work_path(directory, spec_id)
    if os.path.lexists(directory):
        directory.rename(damaged)
    work.rename(directory)
    sync(directory.parent)
    remove(damaged)


def compiler_name(backend: str, version: str) -> str:
    """A compiler and its version as names of folders have it: ``rtx1.7.1.116``."""
    return f"{_COMPILERS.get(backend, backend)}{version}"


def _engine_name(name: str, manifest: EngineManifest) -> str:
    """Put the compiler, which is known after the build, in front of the identity."""
    compiler = file_name(compiler_name(manifest.backend, manifest.backend_version))
    return f"{name.removesuffix(manifest.spec_id)}{compiler}-{manifest.spec_id}"


def _read_verified(directory: Path) -> tuple[OnnxManifest | EngineManifest, bytes]:
    """Read the manifest, also as it is in the file, and verify the files.

    Raises:
        ArtifactError: which file is damaged, and how.
    """
    path = directory / _MANIFEST_NAME
    content = _read_bytes(path)
    manifest = _parse_manifest(path, content)
    if not manifest.files:
        raise ArtifactError(f"{path}: lists no files")
    for record in manifest.files:
        _verify(directory, record)
    return manifest, content


def _read_as(manifest_type: type[M], directory: Path, spec_id: str) -> Artifact[M]:
    """Read an artifact that must be of the type and the identity given, an engine with the user's seal."""
    manifest, content = _read_verified(directory)
    path = directory / _MANIFEST_NAME
    if not isinstance(manifest, manifest_type) or manifest.spec_id != spec_id:
        raise ArtifactError(f"{path}: describes {manifest.kind} {manifest.spec_id}, not {spec_id}")
    if isinstance(manifest, EngineManifest) and not has_seal(path, content):
        why = _OLD_KEY if has_old_key(directory.parent) else "has no seal of yours"
        raise ArtifactError(f"{directory}: {why}")
    return Artifact(directory, manifest)


def _read_bytes(path: Path) -> bytes:
    with reading(path):
        return read_untrusted(path, TEXT_BYTES, inside=[path.parent])


def _parse_manifest(path: Path, text: bytes) -> OnnxManifest | EngineManifest:
    try:
        raw = parse_json(text)
    except ValueError as error:
        raise ArtifactError(f"{path}: not JSON: {error}") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise ArtifactError(f"{path}: schema_version {version}, this trtbench reads {SCHEMA_VERSION}")
    manifest_type = _MANIFESTS.get(str(raw.get("kind")))
    if manifest_type is None:
        raise ArtifactError(f"{path}: kind {raw.get('kind')!r}, a manifest is one of {', '.join(_MANIFESTS)}")
    try:
        return manifest_type.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ArtifactError(f"{path}: {first_problem(error)}") from error
    except SpecError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _verify(directory: Path, record: FileRecord) -> None:
    """Compare a file with its record, the cheap test first."""
    path = directory / record.name
    if path.parent != directory:
        raise ArtifactError(f"{directory / _MANIFEST_NAME}: lists {record.name!r}, a file must be beside it")
    with reading(path):
        check_untrusted(path, inside=[directory])
        size_bytes = path.stat().st_size
    if size_bytes != record.size_bytes:
        raise ArtifactError(f"{path}: {size_bytes} bytes, the manifest says {record.size_bytes}")
    seen = file_record(path).sha256
    if seen != record.sha256:
        raise ArtifactError(f"{path}: sha256 {seen[:12]}..., the manifest says {record.sha256[:12]}...")
