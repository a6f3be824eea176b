"""Records queries through torch's profiler, which brings CUPTI and writes one format for all its versions.

cupti-python would be lighter, but its record classes change with every release of CUDA, and a trace of
torch's profiler also holds torch's own operators and can be opened elsewhere.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from trtbench.errors import MeasureError
from trtbench.host.installation import install_command, needing
from trtbench.measure.device import Query
from trtbench.units import one_line

RANGE = "inference"
"""Name of the range around each query."""
_FIRST_QUERIES = 3
"""Recorded and thrown away: the first records take the time that CUPTI needs to start."""


def record_queries(queries: Iterator[Query], count: int, finish: Callable[[], None], path: Path) -> None:
    """Record ``count`` queries, enqueued one after another, and write the trace to ``path``.

    Args:
        queries: any number of them.
        count: how many are recorded.
        finish: waits for the device.
        path: of the trace; packed if it ends in ``.gz``.

    Raises:
        RuntimeUnavailable: torch is not installed.
        MeasureError: the profiler failed.
    """
    with needing("torch's profiler", "export", remedy=_remedy):
        from torch.profiler import ProfilerActivity, profile, record_function

    def recorded(wanted: int) -> Any:  # torch does not type it
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
            for query in islice(queries, wanted):
                if query.before is not None:
                    query.before()
                with record_function(RANGE):
                    query.start()
            finish()
        return profiled

    try:
        recorded(_FIRST_QUERIES)
        recorded(count).export_chrome_trace(str(path))
    except RuntimeError as error:
        raise MeasureError(f"torch's profiler failed: {one_line(error)}") from error


def _remedy() -> str:
    return f"{install_command('export')}, or record with nsys profile and name the export"
