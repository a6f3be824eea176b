"""Reads the log of trtexec.

A line is ``[11/21/2026-10:00:00] [I] text``; first and last come banners without a time. What TensorRT itself
says begins with ``[TRT]``.
"""

import re
from pathlib import Path

from trtbench.host.last_words import last_words

_LINE = re.compile(
    r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[(?P<severity>[FEWIV])\] ?(?P<text>.*)$", re.MULTILINE
)


def messages(log: str, severity: str) -> list[str]:
    """All texts of one severity: ``F``, ``E``, ``W``, ``I`` or ``V``."""
    return [line["text"] for line in _LINE.finditer(log) if line["severity"] == severity]


def refusal_words(log_path: Path) -> str:
    """Quote why trtexec refused: its errors, or else the end of the log. A run that works may have some."""
    return error_words(log_path.read_text(encoding="utf-8", errors="replace")) or last_words(log_path)


def error_words(log: str) -> str:
    """Quote the errors in the log in one line, at most the last three; empty when it has none."""
    errors = [*messages(log, "E"), *messages(log, "F")]
    return " ".join("; ".join(text.strip() for text in errors[-3:]).split())
