"""The last words of a program that failed, from the log that it left.

Logs of our compiler processes hold messages of the form ``[SEVERITY] text``; any other text counts as one.
"""

import re
from pathlib import Path

from trtbench.errors import BuildError

_RECORD = re.compile(r"^\[(VERBOSE|INFO|WARNING|ERROR|INTERNAL_ERROR)\] ", re.MULTILINE)
# Without a driver or a GPU, an error is followed by this line, which says nothing about it.
_NO_GPU = re.compile(r"^\[checkMacros\.cpp::catchCudaError::\d+\] .*cudaError (?:35|100)\b.*$", re.MULTILINE)
_MAX_WORDS = 600


def last_words(log_path: Path) -> str:
    """Quote the last error in the log, or else the last message, in one line; empty when it has none."""
    try:
        # Not read_text: it would turn a carriage return in a name into a line end.
        text = log_path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise BuildError(f"{log_path}: cannot read the log: {error.strerror}") from error
    # Text before the first record, then severity and text of each.
    _, *parts = _RECORD.split(text)
    messages = list(zip(parts[::2], parts[1::2], strict=True))
    errors = [message for severity, message in messages if "ERROR" in severity]
    causes = [cause for cause in (_NO_GPU.sub("", message).strip() for message in errors) if cause]
    last = (causes or errors or [message for _, message in messages] or [text])[-1]
    return _one_line(last)


def clause_of_last_words(log_path: Path) -> str:
    """What an error ends with: ``; last words: `` and the words; empty when the log has none."""
    words = last_words(log_path)
    return f"; last words: {words}" if words else ""


def _one_line(text: str) -> str:
    """Join lines and keep the end of a long text, where a crash leaves its reason."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_WORDS else f"...{line[-_MAX_WORDS:]}"
