"""What scripts that kill commands share: start trtbench, kill it by SIGKILL, see what it leaves."""

import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 10.0


def start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start trtbench in ``folder``."""
    command = (sys.executable, "-c", "from trtbench.cli.app import main; main()", *arguments)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ends_within(process: "subprocess.Popen[bytes]", limit_s: float | None) -> bool:
    """Whether it ended by itself in that time, or ever; else it is killed.

    Raises:
        SystemExit: it ended with another exit code than 0.
    """
    try:
        code = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    if code != 0:
        raise SystemExit(f"exit code {code}: {(process.stderr or sys.stdin.buffer).read()!r}")
    return True


def check_nothing_is_left(folder: Path) -> None:
    """No process in the folder lives on.

    Raises:
        SystemExit: one does.
    """
    deadline_s = time.monotonic() + GRACE_S
    while left := [process.name for process in Path("/proc").glob("[0-9]*") if _is_in(process, folder)]:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"processes outlived the command: {left}")
        time.sleep(0.05)


def _is_in(process: Path, folder: Path) -> bool:
    try:
        is_zombie = ") Z " in process.joinpath("stat").read_text(encoding="utf-8", errors="replace")
        return not is_zombie and process.joinpath("cwd").resolve() == folder
    except OSError:  # it ended meanwhile
        return False
