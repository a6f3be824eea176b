"""Opens files that others made: regular files only, no larger than expected, and inside of their folder.

A name may lead to a FIFO, which never ends, to a device, or out of the folder that was received. Every
refusal is an OSError whose ``strerror`` says why, so that callers word it as any file that cannot be read.
"""

import errno
import os
import stat
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from trtbench.units import format_bytes

TEXT_BYTES = 16 << 20
"""Most that a manifest, a configuration or a list of names may have."""
RECORD_BYTES = 1 << 30
"""Most that a result or a journal, which keep raw samples, may have."""

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_untrusted(path: Path, max_bytes: int | None = None, inside: Sequence[Path] = ()) -> FileIO:
    """Open a regular file to read it, unbuffered.

    Args:
        path: of the file; links are followed.
        max_bytes: how large it may be.
        inside: folders, one of which must hold the file once links are followed; none: anywhere.

    Raises:
        OSError: it is missing, cannot be read, not a regular file, too large, or elsewhere.
    """
    _check_kind(path, path.stat().st_mode)  # before it is opened, which acts on some devices
    place = path.resolve() if inside else path
    if inside and not any(place.is_relative_to(folder.resolve()) for folder in inside):
        raise _unfit(path, f"leads to {place}, out of its folder")
    # What takes its place meanwhile: a FIFO would wait for a writer, a link would lead elsewhere.
    flags = os.O_NONBLOCK | os.O_NOCTTY | (os.O_NOFOLLOW if inside else 0)
    file = open(place, "rb", buffering=0, opener=lambda name, mode: os.open(name, mode | flags))  # noqa: SIM115
    try:
        status = os.fstat(file.fileno())
        _check_kind(path, status.st_mode)
        if max_bytes is not None and status.st_size > max_bytes:
            raise _too_large(path, format_bytes(status.st_size), max_bytes)
    except BaseException:
        file.close()
        raise
    return file


def read_untrusted(path: Path, max_bytes: int, inside: Sequence[Path] = ()) -> bytes:
    """Read a regular file of at most ``max_bytes``, whatever size it reports; ``inside`` as above.

    Raises:
        OSError: as ``open_untrusted``.
    """
    with open_untrusted(path, max_bytes, inside) as file:
        content = bytearray()
        while chunk := file.read(max_bytes + 1 - len(content)):
            content += chunk
        if len(content) > max_bytes:
            raise _too_large(path, "it", max_bytes)
    return bytes(content)


def check_untrusted(path: Path, max_bytes: int | None = None, inside: Sequence[Path] = ()) -> None:
    """Check a file that a library is to open by its path.

    Raises:
        OSError: as ``open_untrusted``.
    """
    open_untrusted(path, max_bytes, inside).close()


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise _unfit(path, f"{_KINDS.get(stat.S_IFMT(mode), 'something')}, not a regular file")


def _too_large(path: Path, size: str, max_bytes: int) -> OSError:
    return _unfit(path, f"{size} is larger than the {format_bytes(max_bytes)} that such a file may have")


def _unfit(path: Path, problem: str) -> OSError:
    return OSError(errno.EINVAL, problem, str(path))
