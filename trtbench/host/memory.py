"""Memory: what is available, and what this process no longer needs."""

import ctypes
from contextlib import suppress
from pathlib import Path


def return_freed_memory() -> None:
    """Return to the system what was freed: glibc keeps it for later allocations, hundreds of MB of it."""
    with suppress(AttributeError):  # other C libraries
        ctypes.CDLL(None).malloc_trim(0)


def available_bytes() -> int:
    """Memory that new programs can use without swapping, by the kernel's estimate."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    return int(fields["MemAvailable"].removesuffix("kB")) * 1024
