"""Waiting for other processes: the limit is for what never happens, not for a busy machine."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 300.0


def wait_until(condition: Callable[[], T], what: str) -> T:
    """Wait until ``condition`` gives something that counts as true, and return it."""
    deadline_s = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"waited {LIMIT_S:g} s in vain: {what}"
        time.sleep(0.01)
    return found


def number_in(path: Path) -> int:
    """Wait for a file with a number in a line, such as a process id."""
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), f"{path} is written")
    return int(path.read_text())


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not reaped does not."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def wait_for_the_end_of(pid: int) -> None:
    wait_until(lambda: not is_alive(pid), f"process {pid} ends")
