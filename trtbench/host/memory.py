"""Memory that this process no longer needs."""

import ctypes
from contextlib import suppress


def return_freed_memory() -> None:
    """Return to the system what was freed: glibc keeps it for later allocations, hundreds of MB of it."""
    with suppress(AttributeError):  # other C libraries
        ctypes.CDLL(None).malloc_trim(0)
