"""Work in progress in a folder that several processes use, and the locks that say whose it is.

``.tmp-<owner>-<random>`` is work for ``owner``, which only the process that holds ``.lock-<owner>`` does;
when that lock is free, a dead process left it. The kernel frees the lock of a process that ends,
even by kill -9. A lock file is never removed: a process that waits for it would then hold another lock than
newcomers.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from trtbench.host.processes import raise_if_cancelled
from trtbench.progress import OnStep, Stage, Step
from trtbench.store.files import CHOOSE_STORE, remove, writing

_POLL_S = 0.5


@contextmanager
def locked(
    folder: Path, owner: str, stage: Stage, on_step: OnStep, advice: str = CHOOSE_STORE
) -> Iterator[None]:
    """Hold the lock of ``owner`` in ``folder``, made if missing; a wait for another process is reported.

    Raises:
        ArtifactError: the lock file cannot be made or opened, or the file system has no locks.
    """
    lock = _lock(folder, owner)
    with writing(Path(lock.lock_file), advice):
        is_free = _try(lock)
    if not is_free:
        on_step(Step(stage, "wait for another process that is making it"))
        with writing(Path(lock.lock_file), advice):
            while not _try(lock, _POLL_S):
                raise_if_cancelled()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def tried(folder: Path, owner: str) -> Iterator[bool]:
    """Hold the lock of ``owner`` in ``folder`` if it is free; yields whether it was."""
    lock = _lock(folder, owner)
    with writing(Path(lock.lock_file)):
        is_free = _try(lock)
    try:
        yield is_free
    finally:
        lock.release()


def has_work(folder: Path) -> bool:
    """Whether a process holds any lock in ``folder``."""
    for path in folder.glob(".lock-*"):
        with tried(folder, path.name.removeprefix(".lock-")) as is_free:
            if not is_free:
                return True
    return False


def work_path(path: Path, owner: str) -> Path:
    """Name a path on the same file system (mkdtemp would make a directory that shuts out other users)."""
    return path.with_name(f".tmp-{owner}-{secrets.token_hex(4)}")


def remove_leftovers(folder: Path, owner: str) -> None:
    """Remove what dead processes left: of ``owner``, whose lock is held, and of every lock that is free."""
    for path in folder.glob(".tmp-*"):
        path_owner = path.name.removeprefix(".tmp-").rpartition("-")[0]
        if path_owner == owner:
            remove(path)
            continue
        with suppress(OSError), _lock(folder, path_owner).acquire(blocking=False):
            remove(path)


def _lock(folder: Path, owner: str) -> FileLock:
    # preserve_lock_file: a file system without flock is an error, not a reason to lock by a file's presence,
    # which a killed process leaves behind.
    return FileLock(folder / f".lock-{owner}", preserve_lock_file=True)


def _try(lock: FileLock, timeout_s: float = 0.0) -> bool:
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        return False
    return True
