"""Any result that times as text for people."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from trtbench.report.text.comparison import render_comparison
from trtbench.report.text.measurement import render_aa, render_arms, render_measurement
from trtbench.report.text.sweep import render_sweep
from trtbench.results import ArmsComparison, Comparison, Measurement, Sweep
from trtbench.store.results import Stored


def render_stored(result: Stored, raw_files: Sequence[Path], console: Console) -> None:
    """Print a result by its kind, and where what was measured is kept."""
    if isinstance(result, Comparison):
        render_comparison(result, raw_files, console)
    elif isinstance(result, Measurement):
        render_measurement(result, raw_files, console)
    elif isinstance(result, ArmsComparison):
        render_arms(result, raw_files, console)
    elif isinstance(result, Sweep):
        render_sweep(result, raw_files, console)
    else:
        render_aa(result, raw_files, console)
