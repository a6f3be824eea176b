"""Runs a command that ends with its parent: ``python with_parent.py COMMAND...``.

The compiler's process and trtexec would go on for minutes, on a GPU that others wait for, after SIGKILL has
ended what started them. It is run by path, so that it imports nothing but a few modules of Python.
"""

import ctypes
import os
import signal
import sys

PARENT_PID = "TRTBENCH_PARENT_PID"
"""Variable that names the parent to a child."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CANNOT_BE_STARTED = 127  # as a shell has it


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, since what it does is no longer needed.

    Another parent than ``parent_pid`` means that it died before the kernel was asked.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def main(command: list[str]) -> int:
    """Become the command; the kernel keeps in mind with whom it ends."""
    die_with_parent(int(os.environ[PARENT_PID]))
    try:
        os.execvp(command[0], command)  # noqa: S606 (no shell: the arguments are as they are)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: cannot be started: {error.strerror}\n")
    return _CANNOT_BE_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
