"""Artifacts on their way between stores of several machines, each file by the hash of its content."""

from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from trtbench.errors import ArtifactError, RuntimeUnavailable
from trtbench.host.installation import needing
from trtbench.progress import silent
from trtbench.results import EngineManifest
from trtbench.store.artifacts import Store, read_manifest
from trtbench.store.files import remove, writing
from trtbench.store.locks import locked, work_path
from trtbench.store.seal import write_seal

Kept = bytes | str
"""The content of a file, or the hash that it is found by."""


@dataclass(frozen=True)
class Packed:
    """An artifact: its folder relative to the store, and its files by name."""

    folder: str
    files: dict[str, Kept]


@dataclass(frozen=True)
class Shelf:
    """Where files lie between two stores: under ``url``, an fsspec URL; None: in what ``pack`` gives."""

    url: str | None = None

    def pack(self, store: Store, folder: Path) -> Packed:
        """Put away what is not there yet.

        Raises:
            ArtifactError: a file cannot be read or written.
        """
        files = {path.name: self._put(path) for path in sorted(folder.iterdir()) if path.is_file()}
        return Packed(str(folder.relative_to(store.root)), files)

    def unpack(self, packed: Packed, store: Store) -> None:
        """Write the artifact into a store that lacks it, and seal an engine as its own.

        Raises:
            ArtifactError: a file cannot be read or written, or is another.
        """
        folder = store.root / packed.folder
        identity = folder.name.rpartition("-")[2]
        with locked(folder.parent, identity, "setup", silent):
            if folder.exists():
                return
            work = work_path(folder, identity)
            try:
                with writing(folder):
                    work.mkdir()
                    for name, kept in packed.files.items():
                        (work / name).write_bytes(self._get(kept))
                    if isinstance(read_manifest(work), EngineManifest):
                        write_seal(work / "manifest.json")
                    work.rename(folder)
            finally:
                remove(work)

    def _put(self, path: Path) -> Kept:
        content = path.read_bytes()
        if self.url is None:
            return content
        digest = sha256(content).hexdigest()
        files, root = _file_system(self.url)
        if not files.exists(f"{root}/{digest}"):
            # Renamed when whole: another worker may write the same file.
            part = f"{root}/.{digest}.{path.stat().st_ino}"
            files.makedirs(root, exist_ok=True)
            files.pipe_file(part, content)
            files.mv(part, f"{root}/{digest}")
        return digest

    def _get(self, kept: Kept) -> bytes:
        if isinstance(kept, bytes):
            return kept
        files, root = _file_system(self.url or "")
        content: bytes = files.cat_file(f"{root}/{kept}")
        if sha256(content).hexdigest() != kept:
            raise ArtifactError(f"{self.url}/{kept}: has other content than its name says; remove it")
        return content


def _file_system(url: str) -> tuple[Any, str]:
    with needing("fsspec", "ray"):
        core: Any = import_module("fsspec.core")
    try:
        files, root = core.url_to_fs(url)
        return files, root
    except (ImportError, ValueError) as error:
        raise RuntimeUnavailable(f"{url}: {error}") from error
