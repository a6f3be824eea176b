"""Folders made once and kept for all later runs: there whole, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

from trtbench.progress import OnStep
from trtbench.store.files import remove, writing
from trtbench.store.locks import locked, remove_leftovers, work_path

_ADVICE = "set XDG_CACHE_HOME to another folder"


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
    with locked(folder.parent, folder.name, "setup", on_step, _ADVICE), writing(folder, _ADVICE):
        if not folder.is_dir():
            _make(folder, make)
    return folder


def identity_of_folder(folder: Path) -> tuple[int, int]:
    """Tells a folder apart from one that another process made in its place."""
    status = folder.stat()
    return status.st_ino, status.st_mtime_ns


def remove_folder(folder: Path, identity: tuple[int, int], on_step: OnStep) -> None:
    """Remove a folder that turned out to be damaged, unless another process has made it again meanwhile.

    Under another name first, so that no other process uses it.

    Raises:
        ArtifactError: the cache cannot be written.
    """
    with locked(folder.parent, folder.name, "setup", on_step, _ADVICE), writing(folder, _ADVICE):
        if folder.is_dir() and identity_of_folder(folder) == identity:
            doomed = work_path(folder, folder.name)
            folder.rename(doomed)
            remove(doomed)


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    remove_leftovers(folder.parent, folder.name)
    work = work_path(folder, folder.name)
    try:
        make(work)
        work.rename(folder)
    finally:
        remove(work)
