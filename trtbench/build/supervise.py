"""Runs a command that may crash, hang or eat all memory, and tells in words how it ended."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.build.log_reader import last_words
from trtbench.build.log_tail import LogTail
from trtbench.errors import BuildError
from trtbench.progress import OnStep, silent
from trtbench.units import format_bytes, format_seconds

_POLL_S = 0.02


@dataclass(frozen=True)
class Usage:
    """What a command took; ``peak_rss_bytes`` is the high-water mark of its resident memory."""

    duration_s: float
    peak_rss_bytes: int


def supervise(
    command: Sequence[str],
    log_path: Path,
    timeout_s: float,
    memory_limit_bytes: int | None,
    stop: Sequence[str] = (),
    on_progress: OnStep = silent,
) -> Usage:
    """Run ``command`` to its end, its output appended to ``log_path``.

    CUDA numbers GPUs as NVML does in it, so that its first one is the one that is described everywhere.

    It runs in a process group of its own, killed when a limit is passed or this function is interrupted;
    ``stop`` is then run to end what it started elsewhere, such as a container. ``on_progress`` is told what
    the log says of its progress.

    Raises:
        BuildError: it failed, died of a signal, or passed a limit; the text has the last words in the log.
    """
    start_s = time.monotonic()
    tail = LogTail(log_path, on_progress)
    with log_path.open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        )
    peak_rss_bytes = 0
    try:
        while child.poll() is None:
            rss_bytes, high_water_bytes = _resident_memory(child.pid)
            peak_rss_bytes = max(peak_rss_bytes, high_water_bytes)
            duration_s = time.monotonic() - start_s
            _check_limits(log_path, duration_s, timeout_s, rss_bytes, memory_limit_bytes)
            tail.tell_news(duration_s)
            time.sleep(_POLL_S)
    finally:
        # Before the child is reaped: after that its number may belong to another process.
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if stop:
                subprocess.run(stop, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    if child.returncode != 0:
        raise BuildError(_describe_failure(child.returncode, peak_rss_bytes, last_words(log_path)))
    return Usage(time.monotonic() - start_s, peak_rss_bytes)


def _check_limits(
    log_path: Path, duration_s: float, timeout_s: float, rss_bytes: int, memory_limit_bytes: int | None
) -> None:
    if duration_s > timeout_s:
        raise BuildError(
            f"stopped after {format_seconds(duration_s)}, the limit is {format_seconds(timeout_s)}: "
            f"allow more (--timeout-s) or take a smaller model; last words: {last_words(log_path)}"
        )
    if memory_limit_bytes is not None and rss_bytes > memory_limit_bytes:
        raise BuildError(
            f"stopped at {format_bytes(rss_bytes)} of resident memory, the limit is "
            f"{format_bytes(memory_limit_bytes)}: allow more (--memory-limit-gb) or take a smaller batch; "
            f"last words: {last_words(log_path)}"
        )


def _describe_failure(returncode: int, peak_rss_bytes: int, words: str) -> str:
    if returncode > 0:
        return words or f"exit code {returncode} without a word"
    name = signal.Signals(-returncode).name
    cause = f"killed by signal {-returncode} ({name})"
    if -returncode == signal.SIGKILL:
        cause = (
            f"killed by signal {-returncode} (probably out of memory) after it used "
            f"{format_bytes(peak_rss_bytes)}: free memory or take a smaller batch"
        )
    return f"{cause}; last words: {words or 'none'}"


def _resident_memory(pid: int) -> tuple[int, int]:
    """Read bytes in memory, now and at most, of a process not yet reaped; a dead one has none."""
    fields = {"VmRSS": 0, "VmHWM": 0}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in fields:
            fields[name] = int(value.removesuffix("kB")) * 1024
    return fields["VmRSS"], fields["VmHWM"]
