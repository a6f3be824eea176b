"""Keep what libraries print, from Python or from C++, out of the user's output."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

_STDOUT, _STDERR = 1, 2


class Capture:
    """Sends stdout, stderr and warnings to a file while it is on; ``released`` turns it off for a while."""

    def __init__(self, log: int) -> None:
        self._log = log
        self._active = ExitStack()

    def start(self) -> None:
        """Send all output to the log, also what is written to the file descriptors 1 and 2."""
        _flush()
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("default")
            warnings.showwarning = _write_warning
            for descriptor in (_STDOUT, _STDERR):
                _point_to(self._log, descriptor, stack)
            stack.enter_context(redirect_stdout(_stream_on(_STDOUT)))
            stack.enter_context(redirect_stderr(_stream_on(_STDERR)))
            stack.callback(_flush)
            self._active = stack.pop_all()

    def stop(self) -> None:
        """Undo ``start``; does nothing when it is off."""
        self._active.close()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let output through within the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()


@contextmanager
def captured_output(log_path: Path) -> Iterator[Capture]:
    """Write to ``log_path`` whatever this process prints within the block."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    capture = Capture(log)
    try:
        capture.start()
        yield capture
    finally:
        capture.stop()
        os.close(log)


def _point_to(target: int, descriptor: int, stack: ExitStack) -> None:
    """Make ``descriptor`` a copy of ``target`` until ``stack`` closes."""
    try:
        before = os.dup(descriptor)
    except OSError:  # closed by whoever started us
        stack.callback(os.close, descriptor)
    else:
        stack.callback(os.close, before)
        stack.callback(os.dup2, before, descriptor)
    os.dup2(target, descriptor)


def _write_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


_streams: dict[int, TextIO] = {}


def _stream_on(descriptor: int) -> TextIO:
    """Text stream on a descriptor, never closed: log handlers of libraries that are set up here keep it."""
    if descriptor not in _streams:
        _streams[descriptor] = open(  # noqa: SIM115
            descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
    return _streams[descriptor]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
