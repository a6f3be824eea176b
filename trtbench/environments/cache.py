"""Folders made once and kept for all later runs: there whole, or not at all."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from trtbench.errors import ArtifactError
from trtbench.progress import OnStep


def cache_root() -> Path:
    """Where they lie: ``$XDG_CACHE_HOME/trtbench``, by default ``~/.cache/trtbench``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trtbench"


def get_or_make_folder(folder: Path, make: Callable[[Path], None], on_step: OnStep) -> Path:
    """Return ``folder``; if it is not there, let ``make`` fill another one, and rename that.

    Raises:
        ArtifactError: the cache cannot be written.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f".lock-{folder.name}").open("w") as lock:
            _wait_for(lock.fileno(), on_step)
            if not folder.is_dir():
                _make(folder, make)
    except OSError as error:
        raise ArtifactError(
            f"{error.filename or folder}: cannot be written: {error.strerror}; make room, "
            "or set XDG_CACHE_HOME to another folder"
        ) from error
    return folder


def identity_of_folder(folder: Path) -> tuple[int, int]:
    """What tells a folder from one that another process made in its place."""
    status = folder.stat()
    return status.st_ino, status.st_mtime_ns


def remove_folder(folder: Path, identity: tuple[int, int], on_step: OnStep) -> None:
    """Remove a folder that turned out to be damaged, unless another process has made it again meanwhile.

    Under another name first, so that nobody takes it.
    """
    with folder.with_name(f".lock-{folder.name}").open("w") as lock:
        _wait_for(lock.fileno(), on_step)
        if folder.is_dir() and identity_of_folder(folder) == identity:
            doomed = folder.with_name(f".tmp-{folder.name}-{secrets.token_hex(4)}")
            folder.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    # The lock is held: what lies here is of a process that died.
    for leftover in folder.parent.glob(f".tmp-{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    work = folder.with_name(f".tmp-{folder.name}-{secrets.token_hex(4)}")
    try:
        make(work)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _wait_for(lock: int, on_step: OnStep) -> None:
    """Lock a file until it is closed; the kernel unlocks it even when this process is killed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_step("wait for another process that is making the same")
        fcntl.flock(lock, fcntl.LOCK_EX)
