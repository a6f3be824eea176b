"""Runs the command line in a forked process, within limits of time and memory, and judges how it ends.

A fork has everything imported already, so that an attack takes milliseconds, and survives what would end the
tests: a crash of a library, a hang, memory without end.
"""

import os
import re
import resource
import signal
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.cli import app

LIMIT_S, LIMIT_BYTES = 30.0, 2_000_000_000
LONGEST_LINE = 500
_ALLOCATABLE_BYTES = 8_000_000_000
"""What the kernel gives an attack before the next look at its memory."""
_CRASHED = 70
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\)|^  File \".*\", line \d+", re.MULTILINE)
_ALLOWED = "\n\t"


@dataclass(frozen=True)
class Outcome:
    """How an attacked command ended; ``code`` is negative after a signal, None beyond a limit."""

    code: int | None
    out: str
    err: str
    duration_s: float
    peak_bytes: int

    def faults(self) -> list[str]:
        """What an attack must not reach; empty where the command held."""
        lines = self.err.strip("\n").split("\n")
        found = {
            f"ended with {self.code}": self.code not in (0, 1, 2),
            f"took {self.duration_s:.1f} s": self.duration_s > LIMIT_S,
            f"took {self.peak_bytes / 1e9:.1f} GB": self.peak_bytes > LIMIT_BYTES,
            "shows a traceback": bool(_TRACEBACK.search(self.err + self.out)),
            "says nothing": self.code in (1, 2) and not self.err.strip() and not self.out.strip(),
            "writes control characters": any(_is_control(c) for c in self.out + self.err),
            "writes a long line": any(len(line) > LONGEST_LINE for line in lines),
            "has no clean line": self.code in (1, 2) and not self._is_explained(lines),
        }
        return [fault for fault, is_so in found.items() if is_so]

    def _is_explained(self, lines: Sequence[str]) -> bool:
        """Whether one line of stderr gives the reason, or the result holds it, as a row that failed."""
        return sum(line.startswith("trtbench: error: ") for line in lines) == 1 or bool(self.out.strip())


def attack(arguments: Sequence[object], folder: Path, environment: dict[str, str] | None = None) -> Outcome:
    """Run ``trtbench ARGUMENTS`` in ``folder``."""
    out, err = folder / ".stdout", folder / ".stderr"
    began_s = time.monotonic()
    process = os.fork()
    if not process:
        _run(arguments, folder, environment or {}, out, err)
    code, peak_bytes = _wait(process, began_s)
    duration_s = time.monotonic() - began_s
    return Outcome(code, _text(out), _text(err), duration_s, peak_bytes)


def _run(
    arguments: Sequence[object], folder: Path, environment: dict[str, str], out: Path, err: Path
) -> None:
    """What the fork does: it never returns."""
    code = _CRASHED
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (_ALLOCATABLE_BYTES, _ALLOCATABLE_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(folder)
        os.environ.update(environment)
        for number, path in ((0, Path(os.devnull)), (1, out), (2, err)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", closefd=False, errors="backslashreplace")  # noqa: SIM115
            for number, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        sys.argv = ["trtbench", *map(str, arguments)]
        app.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _wait(process: int, began_s: float) -> tuple[int | None, int]:
    """Exit code and most memory; a process beyond a limit is killed, with all that it started."""
    peak_bytes = 0
    while True:
        ended, status, usage = os.wait4(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), max(peak_bytes, usage.ru_maxrss * 1024)
        peak_bytes = max(peak_bytes, _resident_bytes(process))
        if time.monotonic() - began_s > LIMIT_S or peak_bytes > LIMIT_BYTES:
            os.killpg(process, signal.SIGKILL)
            os.wait4(process, 0)
            return None, peak_bytes
        time.sleep(0.01)


def _resident_bytes(process: int) -> int:
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()


def _is_control(character: str) -> bool:
    """Control, C1 and bidirectional characters, which a terminal obeys."""
    return character not in _ALLOWED and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="surrogateescape")


def warmed_up(run: Callable[[], object]) -> None:
    """Import in this process what every fork will need."""
    run()
