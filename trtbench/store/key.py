"""The key of this user: it lies in the user's configuration folder, outside of all that it is to judge."""

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from trtbench.errors import ArtifactError
from trtbench.store.files import sync, writing

KEY_BYTES = 32
_NO_KEY = (FileNotFoundError, NotADirectoryError)
_ELSEWHERE = "set XDG_CONFIG_HOME to a folder of yours, outside of the store"


def key_path() -> Path:
    """``trtbench/seal.key`` in ``$XDG_CONFIG_HOME``, by default in ``~/.config``.

    Raises:
        ArtifactError: neither says where that is.
    """
    given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    try:
        # The standard has relative paths ignored: they would lead into whatever folder one is in.
        folder = given if given.is_absolute() else Path.home() / ".config"
    except RuntimeError as error:
        raise ArtifactError(
            f"there is no home folder to keep the key in that engines are sealed with: {_ELSEWHERE}"
        ) from error
    return folder / "trtbench" / "seal.key"


def read_key() -> bytes | None:
    """Read the key; None if there is none yet.

    Raises:
        ArtifactError: another user may have made or read it, or it is damaged.
    """
    path = key_path()
    try:
        # Neither through a link, whose owner says nothing about its target, nor waiting for a FIFO.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except _NO_KEY:
        return None
    except OSError as error:
        problem = "is a link" if error.errno == errno.ELOOP else f"cannot be opened: {error.strerror}"
        raise _unfit(path, problem) from error
    try:
        unfit = _problem_of(os.fstat(descriptor))
        if unfit is not None:
            raise _unfit(path, unfit)
        return os.read(descriptor, KEY_BYTES)
    finally:
        os.close(descriptor)


def read_or_make_key() -> bytes:
    """Read the key; the first of several processes makes it, on the disk before it has its name.

    Raises:
        ArtifactError: as ``read_key``, or it cannot be written.
    """
    key = read_key()
    if key is None:
        _make_key(key_path())
        key = read_key()
    if key is None:
        raise ArtifactError(f"{key_path()}: was removed as soon as it was made: run the command again")
    return key


def _make_key(path: Path) -> None:
    work = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    with writing(path, _ELSEWHERE):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            sync(work)
            with suppress(FileExistsError):
                os.link(work, path)
            sync(path.parent)
        finally:
            work.unlink(missing_ok=True)


def _problem_of(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_uid != os.geteuid():
        return f"belongs to user {status.st_uid}, not to you ({os.geteuid()})"
    if stat.S_IMODE(status.st_mode) & 0o077:
        return f"others can use it (mode {stat.S_IMODE(status.st_mode):o})"
    if status.st_size != KEY_BYTES:
        return f"has {status.st_size} bytes instead of {KEY_BYTES}"
    return None


def _unfit(path: Path, problem: str) -> ArtifactError:
    return ArtifactError(
        f"{path}: the key that engines are sealed with {problem}: remove it, and engines are built again, or "
        f"{_ELSEWHERE}"
    )
