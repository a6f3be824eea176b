"""What a build at work says of its progress: lines ``[INFO] Progress: TEXT`` of its log, as they come."""

import re
from pathlib import Path

from trtbench.progress import OnStep

_INTERVAL_S = 2.0
_PROGRESS = re.compile(rb"^\[INFO\] Progress: (.*)\n", re.MULTILINE)
_READ_BYTES = 1 << 20


class LogTail:
    """Reads the end of a growing log, at most every 2 s, and tells the last progress that is new in it.

    What is in the log before is none of this build's. Of a verbose log, which grows by megabytes, the last
    one is read: progress comes every second.
    """

    def __init__(self, path: Path, on_progress: OnStep) -> None:
        self._path, self._on_progress = path, on_progress
        self._position = path.stat().st_size if path.exists() else 0
        self._told = ""
        self._next_s = 0.0

    def tell_news(self, now_s: float) -> None:
        """Look into the log, unless it is too soon; ``now_s`` counts from the start of the build."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + _INTERVAL_S
        found = _PROGRESS.findall(self._read())
        text = found[-1].decode(errors="replace") if found else self._told
        if text != self._told:
            self._told = text
            self._on_progress(text)

    def _read(self) -> bytes:
        """What was written since, from the beginning of the line that was not whole then."""
        with self._path.open("rb") as log:
            size = log.seek(0, 2)
            start = log.seek(max(self._position, size - _READ_BYTES))
            content = log.read()  # more than up to ``size``, if the log grew since
        self._position = start + content.rfind(b"\n") + 1
        return content
