"""Files of a store: how they are named, hashed, forced to the disk and removed, and their errors."""

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path

from trtbench.errors import ArtifactError
from trtbench.host.untrusted_files import open_untrusted
from trtbench.results import FileRecord
from trtbench.specs import Spec
from trtbench.units import format_bytes

_CHUNK_BYTES = 1 << 20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NAME_LENGTH = 150  # Linux ends file names at 255 bytes, and ours get a spec_id
CHOOSE_STORE = "choose another store with --store"
"""What to do when a store cannot be written."""

_Identity = tuple[int, int, int, int, int]

_hashed: dict[_Identity, tuple[str, int]] = {}
"""SHA-256 and size of the files that this process has read; ``file_record`` alone reads and fills it."""
_SETTLED_NS = 20_000_000
"""Age from which another write of a file changes its time stamp: Linux stamps by ticks of up to 10 ms."""


def file_record(path: Path) -> FileRecord:
    """Describe a file by name, SHA-256 and size; a process reads it once, and again after it changed.

    Raises:
        ArtifactError: the file cannot be read.
    """
    with reading(path), open_untrusted(path) as file:
        identity = _identity(file)
        hashed = _hashed.get(identity) or _hash(file)
        is_settled = time.time_ns() - identity[-1] > _SETTLED_NS
        if is_settled and _identity(file) == identity:
            _hashed[identity] = hashed
    digest, size_bytes = hashed
    return FileRecord(name=path.name, sha256=digest, size_bytes=size_bytes)


def _identity(file: FileIO) -> _Identity:
    """What no write, replacement or ``touch`` leaves as it was; the time of the last change cannot be set."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _hash(file: FileIO) -> tuple[str, int]:
    # hashlib.file_digest is Python 3.11's and no faster: the hash takes the time, whatever the chunk.
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    digest = sha256()
    size_bytes = 0
    while count := file.readinto(buffer):
        digest.update(buffer[:count])
        size_bytes += count
    return digest.hexdigest(), size_bytes


def file_name(text: str) -> str:
    """Make a file name of a model name such as ``hf_hub:timm/vit``."""
    return re.sub(r"[^\w.+@=-]", "-", text, flags=re.ASCII)[:_NAME_LENGTH].lstrip(".")


def write_json(path: Path, model: Spec) -> None:
    """Write a spec, a manifest or a result as JSON.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(model.model_dump_json(indent=2) + "\n", encoding="utf-8")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that several processes may write at once, in place of an older one; leave no part of it.

    Raises:
        OSError: the file cannot be written.
    """
    work = path.with_suffix(f".{os.getpid()}.part")
    try:
        work.write_bytes(content)
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file or a directory is on the disk, not only in the page cache.

    Raises:
        OSError: it cannot be read, or the disk reports an error.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a directory, if it is there; what resists is left to the next run."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the errors of reading ``path`` into one line.

    Raises:
        ArtifactError: the file is missing or cannot be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: is missing") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error


@contextmanager
def writing(path: Path, advice: str = CHOOSE_STORE) -> Iterator[None]:
    """Turn the errors of writing ``path`` into one line that ends with ``advice``.

    Raises:
        ArtifactError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise write_error(path, error, advice) from error


def write_error(path: Path, error: OSError, advice: str = CHOOSE_STORE) -> ArtifactError:
    """Say which path could not be written: the one that the error names, or else ``path``."""
    where = Path(error.filename) if isinstance(error.filename, str) else path
    reason = error.strerror
    if is_full(error):
        reason, advice = f"{reason} ({_free_text(where)} free)", f"make room or {advice}"
    return ArtifactError(f"{where}: cannot be written: {reason}; {advice}")


def full_error(path: Path, error: OSError) -> ArtifactError:
    """Say which disk has no room where the error does not: that of ``path``, or that of temporary files."""
    temporary = Path(tempfile.gettempdir())
    where = Path(error.filename) if isinstance(error.filename, str) else min(path, temporary, key=_free_bytes)
    is_temporary = where.is_relative_to(temporary) and not path.is_relative_to(temporary)
    return write_error(where, error, "set TMPDIR to another folder" if is_temporary else CHOOSE_STORE)


def is_full(error: OSError) -> bool:
    """Whether the disk, a quota or a limit has no room for the file."""
    return error.errno in _NO_ROOM


def _free_text(path: Path) -> str:
    return format_bytes(_free_bytes(path))


def _free_bytes(path: Path) -> int:
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free
