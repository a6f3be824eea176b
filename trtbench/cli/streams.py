"""Standard streams that are closed or cannot be written lead to /dev/null."""

import os
import sys

STDOUT, STDERR = 1, 2


def open_closed_streams() -> None:
    """Open closed streams; otherwise the next file would get the number of one, and what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            lead_nowhere(number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def lead_nowhere(number: int) -> None:
    """Redirect a standard stream to /dev/null; otherwise Python would fail to flush it at its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, number)
    if nothing != number:
        os.close(nothing)
