"""Consoles: stdout for results, stderr for progress."""

import os
from typing import TextIO

from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 110


def stdout_console() -> Console:
    """A console for results; as wide as the terminal, or a fixed width in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)
    return console


def open_stderr() -> TextIO:
    """A duplicate of stderr that stays the user's while a stage sends fd 2 to its own log."""
    return os.fdopen(os.dup(2), "w")
