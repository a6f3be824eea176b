"""Any result that times as text for people."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from trtbench.report.text.comparison import render_comparison
from trtbench.report.text.measurement import render_aa, render_measurement
from trtbench.results import Comparison, Measurement
from trtbench.store.results import Stored


def render_stored(
    result: Stored, raw_files: Sequence[Path], console: Console, following: str | None = None
) -> None:
    """Print a result by its kind, where what was measured is kept, and the command to run next."""
    match result:
        case Comparison():
            render_comparison(result, raw_files, console, following)
        case Measurement():
            render_measurement(result, raw_files, console)
        case _:
            render_aa(result, raw_files, console)
