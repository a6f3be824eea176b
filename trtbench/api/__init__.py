"""The public Python API: a function for nearly every command, with the same names and defaults.

``import trtbench`` shows these; none of it is loaded before the first use. Stages do the work. Every error is
a ``TrtbenchError`` with a ``code``; arguments that have no effect are ignored.
"""

from trtbench.api.artifacts import build, diff, export, inspect, lint, verify
from trtbench.api.comparisons import (
    bench,
    bench_against_itself,
    break_even,
    compare,
    compare_stored,
    explain,
    predict,
    roofline,
)
from trtbench.api.keeping import ls, pack, prune, rm
from trtbench.api.machine import doctor, gpus
from trtbench.api.search import tune
from trtbench.api.stored import history, load, report
from trtbench.api.sweeps import sweep
from trtbench.api.traces import trace
from trtbench.errors import Code, TrtbenchError
from trtbench.progress import Step

__all__ = [
    "Code",
    "Step",
    "TrtbenchError",
    "bench",
    "bench_against_itself",
    "break_even",
    "build",
    "compare",
    "compare_stored",
    "diff",
    "doctor",
    "explain",
    "export",
    "gpus",
    "history",
    "inspect",
    "lint",
    "load",
    "ls",
    "pack",
    "predict",
    "prune",
    "report",
    "rm",
    "roofline",
    "sweep",
    "trace",
    "tune",
    "verify",
]
