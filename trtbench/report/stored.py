"""Any result that times as text for people."""

from rich.console import Console

from trtbench.report.comparison import render_comparison
from trtbench.report.measurement import render_aa, render_arms, render_measurement, render_sweep
from trtbench.results import ArmsComparison, Comparison, Measurement, Sweep
from trtbench.results_store import Stored


def render_stored(result: Stored, console: Console) -> None:
    """Print a result by its kind."""
    if isinstance(result, Comparison):
        render_comparison(result, console)
    elif isinstance(result, Measurement):
        render_measurement(result, console)
    elif isinstance(result, ArmsComparison):
        render_arms(result, console)
    elif isinstance(result, Sweep):
        render_sweep(result, console)
    else:
        render_aa(result, console)
