"""Memory: what is available, and what this process no longer needs."""

import ctypes
from contextlib import suppress
from pathlib import Path

from trtbench.errors import TrtbenchError
from trtbench.units import format_bytes


def return_freed_memory() -> None:
    """Return to the system what was freed: glibc keeps it for later allocations, hundreds of MB of it."""
    with suppress(AttributeError):  # other C libraries
        ctypes.CDLL(None).malloc_trim(0)


def available_bytes() -> int:
    """Memory that new programs can use without swapping, by the kernel's estimate."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    return int(fields["MemAvailable"].removesuffix("kB")) * 1024


def refuse_beyond_memory(needed_bytes: float, what: str, error: type[TrtbenchError], advice: str) -> None:
    """Refuse work, before it begins, that needs more memory than is available.

    Args:
        needed_bytes: an estimate of what it needs at least.
        what: the work, such as ``reading the weights``, which begins the error.
        error: the type to raise.
        advice: what to do, which ends the error.

    Raises:
        TrtbenchError: of the type ``error``.
    """
    available = available_bytes()
    if needed_bytes > available:
        raise error(
            f"{what} needs at least {format_bytes(needed_bytes)} of memory; available: "
            f"{format_bytes(available)}; {advice}"
        )
