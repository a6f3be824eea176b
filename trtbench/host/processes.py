"""Runs a command that may crash, hang or use up all memory, and describes how it ended."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trtbench.errors import BuildError, Code
from trtbench.host import with_parent
from trtbench.host.commands import run_to_stop
from trtbench.host.last_words import clause_of_last_words, last_words
from trtbench.host.log_tail import LogTail
from trtbench.host.signals import signal_name
from trtbench.host.variables import inherited
from trtbench.host.with_parent import PARENT_PID
from trtbench.progress import OnStep, silent
from trtbench.units import format_bytes, format_seconds

_POLL_S = 0.02
# Neither variables of Python nor installed packages have a part in it.
_WITH_PARENT = (sys.executable, "-I", "-S", with_parent.__file__)


@dataclass(frozen=True)
class Usage:
    """What a command took; ``peak_rss_bytes`` is the high-water mark of its resident memory."""

    duration_s: float
    peak_rss_bytes: int


_thread = threading.local()
"""In a supervising thread: ``cancelled``, the event that ends what it runs."""


@contextmanager
def supervising_thread() -> Iterator[Executor]:
    """A thread that supervises one command after another while this thread works on.

    When this thread fails or is interrupted, the running command is ended and the others never start.
    """
    cancelled = threading.Event()
    mark = (_thread, "cancelled", cancelled)
    with ThreadPoolExecutor(max_workers=1, initializer=setattr, initargs=mark) as thread:
        try:
            yield thread
        except BaseException:
            cancelled.set()
            thread.shutdown(cancel_futures=True)
            raise


def raise_if_cancelled() -> None:
    """End what a supervising thread runs or waits for.

    Raises:
        BuildError: the program was interrupted.
    """
    cancelled: threading.Event | None = getattr(_thread, "cancelled", None)
    if cancelled is not None and cancelled.is_set():
        raise BuildError("interrupted", code=Code.BUILD_KILLED)


def child_environment() -> dict[str, str]:
    """Environment of a process that uses a GPU and ends with this one.

    Of the variables it has those on the list of ``variables.py``. CUDA numbers GPUs as NVML does in it, so
    that its first device is the one that telemetry is read from.
    """
    return {**inherited(), "CUDA_DEVICE_ORDER": "PCI_BUS_ID", PARENT_PID: str(os.getpid())}


def supervise(
    command: Sequence[str],
    log_path: Path,
    timeout_s: float,
    memory_limit_bytes: int | None,
    stop: Sequence[str] = (),
    on_step: OnStep = silent,
    words: Callable[[Path], str] = last_words,
) -> Usage:
    """Run ``command`` to its end, its output appended to ``log_path``.

    CUDA numbers GPUs as NVML does in it, and ``CUDA_VISIBLE_DEVICES`` reaches it as it is: its first GPU is
    the one that ``first_gpu`` describes.

    It runs in a process group of its own, killed when a limit is passed or this function is interrupted;
    ``stop`` is then run to end what it started elsewhere, such as a container. The command itself ends even
    when this process is killed. ``on_step`` gets the progress that the log has. ``words`` reads in the log
    why it refused, if it ends with an exit code.

    Raises:
        BuildError: it passed a limit, died of a signal or refused; the code says which, and the text has the
            last words in the log, if any.
    """
    start_s = time.monotonic()
    tail = LogTail(log_path, on_step)
    with log_path.open("ab") as log:
        child = subprocess.Popen(
            (*_WITH_PARENT, *command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=child_environment(),
        )
    peak_rss_bytes = 0
    try:
        while child.poll() is None:
            rss_bytes, high_water_bytes = _resident_memory(child.pid)
            peak_rss_bytes = max(peak_rss_bytes, high_water_bytes)
            duration_s = time.monotonic() - start_s
            _check_limits(log_path, duration_s, timeout_s, rss_bytes, memory_limit_bytes)
            tail.tell_news(duration_s)
            raise_if_cancelled()
            time.sleep(_POLL_S)
    finally:
        # Before the child is reaped: after that its number may belong to another process.
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if stop:
                run_to_stop(stop, log_path)
    if child.returncode != 0:
        raise _failure(child.returncode, peak_rss_bytes, log_path, words)
    return Usage(time.monotonic() - start_s, peak_rss_bytes)


def _check_limits(
    log_path: Path, duration_s: float, timeout_s: float, rss_bytes: int, memory_limit_bytes: int | None
) -> None:
    if duration_s > timeout_s:
        raise BuildError(
            f"stopped after {format_seconds(duration_s)}, the limit is {format_seconds(timeout_s)}: "
            f"allow more (--timeout-s) or use a smaller model{clause_of_last_words(log_path)}",
            code=Code.BUILD_TIME_LIMIT,
        )
    if memory_limit_bytes is not None and rss_bytes > memory_limit_bytes:
        raise BuildError(
            f"stopped at {format_bytes(rss_bytes)} of resident memory, the limit is "
            f"{format_bytes(memory_limit_bytes)}: allow more (--memory-limit-gb) or use a smaller batch"
            f"{clause_of_last_words(log_path)}",
            code=Code.BUILD_MEMORY_LIMIT,
        )


def _failure(
    returncode: int, peak_rss_bytes: int, log_path: Path, words: Callable[[Path], str]
) -> BuildError:
    if returncode > 0:
        return BuildError(words(log_path) or f"exit code {returncode} and no output")
    cause = f"killed by signal {-returncode} ({signal_name(-returncode)})"
    if -returncode == signal.SIGKILL:
        cause = (
            f"killed by signal {-returncode} (probably out of memory) after it used "
            f"{format_bytes(peak_rss_bytes)}: free memory or use a smaller batch"
        )
    return BuildError(f"{cause}{clause_of_last_words(log_path)}", code=Code.BUILD_KILLED)


def _resident_memory(pid: int) -> tuple[int, int]:
    """Read bytes in memory, now and at most, of a process not yet reaped; a dead one has none."""
    fields = {"VmRSS": 0, "VmHWM": 0}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in fields:
            fields[name] = int(value.removesuffix("kB")) * 1024
    return fields["VmRSS"], fields["VmHWM"]
