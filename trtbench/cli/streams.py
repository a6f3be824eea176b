"""Standard streams that are closed, or that take nothing more, lead to /dev/null."""

import os
import sys


def open_closed_streams() -> None:
    """Open what is closed: the next file would get its number, and with it what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            lead_nowhere(number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def lead_nowhere(number: int) -> None:
    """Have a standard stream lead to /dev/null; what it still holds would fail again when Python ends."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, number)
    if nothing != number:
        os.close(nothing)
