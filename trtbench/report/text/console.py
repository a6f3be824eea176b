"""Consoles: stdout for results, stderr for progress."""

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from trtbench.units import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WIDTH_WITHOUT_TERMINAL = 110


class VisibleConsole(Console):
    """Shows all text as it is: no markup in it acts, and what a terminal would obey stands as escapes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text as rich lays it out, which would drop some controls without a trace."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The pieces of text that a renderable becomes, made visible; rich's own controls stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def stdout_console() -> Console:
    """A console for results; as wide as the terminal, or a fixed width in a pipe."""
    console = VisibleConsole()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return VisibleConsole(width=WIDTH_WITHOUT_TERMINAL)
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
