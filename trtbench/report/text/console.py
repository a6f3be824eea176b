"""Consoles: stdout for results, stderr for progress."""

import io
import os
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WIDTH_WITHOUT_TERMINAL = 110


def stdout_console() -> Console:
    """A console for results; as wide as the terminal, or a fixed width in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)
    return console


class _Unfailing(io.FileIO):
    """Drops what its file does not take, as on a full disk."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def open_stderr() -> TextIO:
    """A duplicate of stderr that stays the user's while a stage sends fd 2 to its own log.

    Writing to it never fails: progress that cannot be shown must not end a measurement.
    """
    return io.TextIOWrapper(io.BufferedWriter(_Unfailing(os.dup(2), "w")), errors="backslashreplace")
