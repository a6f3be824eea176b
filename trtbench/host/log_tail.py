"""Progress of a running build, from lines ``[INFO] Progress: DONE/TOTAL PHASE`` that its log gets."""

import re
from pathlib import Path

from trtbench.progress import OnStep, Step

_INTERVAL_S = 2.0
_PROGRESS = re.compile(rb"^\[INFO\] Progress: (\d+)/(\d+) (.*)\n", re.MULTILINE)
_READ_BYTES = 1 << 20


class LogTail:
    """Reads the end of a growing log, at most every 2 s, and reports the latest progress that is new in it.

    Lines that the log had before belong to other builds. Of a verbose log, which grows by megabytes, only the
    last one is read: progress comes every second.
    """

    def __init__(self, path: Path, on_step: OnStep) -> None:
        self._path, self._on_step = path, on_step
        self._position = path.stat().st_size if path.exists() else 0
        self._last: Step | None = None
        self._next_s = 0.0

    def tell_news(self, now_s: float) -> None:
        """Look into the log, unless it is too soon; ``now_s`` counts from the start of the build."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + _INTERVAL_S
        found = _PROGRESS.findall(self._read())
        if not found:
            return
        done, total, phase = found[-1]
        step = Step("build", phase.decode(errors="replace"), int(done), int(total))
        if step != self._last:
            self._last = step
            self._on_step(step)

    def _read(self) -> bytes:
        """What was written since, from the beginning of the line that was not whole then."""
        with self._path.open("rb") as log:
            size = log.seek(0, 2)
            start = log.seek(max(self._position, size - _READ_BYTES))
            content = log.read()  # more than up to ``size``, if the log grew since
        self._position = start + content.rfind(b"\n") + 1
        return content
