"""A journal: finished pieces of work, one JSON line each.

The last field of a line is a checksum, the CRC-32 of the rest of it and of all lines before it: a line that
was changed, lost or moved shows. Lines of older versions have none.
"""

import math
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from filelock import lock_descriptor
from pydantic import ValidationError

from trtbench.errors import ArtifactError, MeasureError
from trtbench.host.untrusted_files import RECORD_BYTES, read_untrusted
from trtbench.results import TimedBlock
from trtbench.specs import Spec, first_problem
from trtbench.store.files import CHOOSE_STORE

L = TypeVar("L", bound=Spec)

_CHECKSUM = re.compile(rb',"crc32":"([0-9a-f]{8})"}$')
_MEASURE_AGAIN = "remove the folder and measure again"
_SYNC_SHARE = 0.005
"""Of the time: what waiting for the disk may take where lines are not needed there at once."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A link would have another file written; a FIFO would be waited for."""


class Journal(Generic[L]):
    """An open journal; ``lines`` are those that were there and those appended since."""

    def __init__(self, descriptor: int, path: Path, lines: list[L], checksum: int | None) -> None:
        self._descriptor, self._path = descriptor, path
        self.lines, self._checksum = lines, checksum
        self._synced_s, self._sync_took_s = -math.inf, 0.0

    def append(self, line: L, at_once: bool = True) -> None:
        """Write ``line``, which survives the end of this process, and wait until it is on the disk.

        Without ``at_once`` it waits only as often as that takes a small share of the time: a power cut may
        then cost the last lines.

        Raises:
            ArtifactError: the journal cannot be written.
        """
        text = line.model_dump_json().encode()
        checksum = zlib.crc32(text, self._checksum or 0)
        with self._writing():
            _write_all(self._descriptor, text[:-1] + b',"crc32":"%08x"}\n' % checksum)
        self.lines.append(line)
        self._checksum = checksum
        if at_once or time.monotonic() - self._synced_s >= self._sync_took_s / _SYNC_SHARE:
            self.sync()

    def sync(self) -> None:
        """Wait until all lines are on the disk.

        Raises:
            ArtifactError: the disk reports an error.
        """
        started_s = time.monotonic()
        with self._writing():
            os.fsync(self._descriptor)
        self._synced_s = time.monotonic()
        self._sync_took_s = self._synced_s - started_s

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArtifactError(f"{self._path}: cannot be written: {error.strerror}") from error


@contextmanager
def open_journal(path: Path, line_type: type[L]) -> Iterator[Journal[L]]:
    """Open or make the journal at ``path``; a last line that a kill cut short is dropped from the file.

    Raises:
        MeasureError: another process is writing it.
        ArtifactError: it cannot be read or written, or a line of it is damaged.
    """
    try:
        descriptor = os.open(path, _FLAGS, 0o666)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        _lock(descriptor, path)
        whole = _whole_lines(path)
        os.ftruncate(descriptor, len(whole))
        yield Journal(descriptor, path, *_parse(whole, path, line_type))
    finally:
        os.close(descriptor)


def read_journal(path: Path, line_type: type[L]) -> list[L]:
    """Read the lines of a journal, which needs no writer.

    Raises:
        ArtifactError: it is missing, or a line of it is damaged.
    """
    return _parse(_whole_lines(path), path, line_type)[0]


def check_once(path: Path, blocks: Iterable[TimedBlock]) -> None:
    """Refuse a block that is twice in the journal at ``path``: it would count twice.

    Raises:
        ArtifactError: one is.
    """
    seen = set()
    for line, each in enumerate(blocks, start=1):
        key = (each.arm, each.build, each.process, each.block)
        if key in seen:
            raise ArtifactError(
                f"{path}: line {line} repeats block {each.block} of process {each.process} of {each.arm}: "
                f"{_MEASURE_AGAIN}"
            )
        seen.add(key)


def _lock(descriptor: int, path: Path) -> None:
    # The journal itself is locked: a lock file beside it could be lost when its folder is copied or cleaned.
    try:
        is_locked = lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be locked: {error.strerror}; {CHOOSE_STORE}") from error
    if not is_locked:
        raise MeasureError(f"{path}: another trtbench is using it: wait until that one ends")


def _whole_lines(path: Path) -> bytes:
    try:
        content = read_untrusted(path, RECORD_BYTES)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error
    return content[: content.rfind(b"\n") + 1]


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _parse(content: bytes, path: Path, line_type: type[L]) -> tuple[list[L], int | None]:
    """The lines, and the checksum of the last one, if any has one."""
    lines: list[L] = []
    checksum: int | None = None
    for number, text in enumerate(content.splitlines(), start=1):
        where = f"{path}: line {number}"
        stated = _CHECKSUM.search(text)
        if stated:
            text = text[: stated.start()] + b"}"
            checksum = zlib.crc32(text, checksum or 0)
        if checksum is not None and not (stated and int(stated[1], 16) == checksum):
            raise ArtifactError(f"{where} is damaged, or lines before it are lost: {_MEASURE_AGAIN}")
        lines.append(_parse_line(text, where, line_type))
    return lines, checksum


def _parse_line(text: bytes, where: str, line_type: type[L]) -> L:
    try:
        return line_type.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactError(f"{where} is damaged ({first_problem(error)}): {_MEASURE_AGAIN}") from error
