"""Traces of profilers."""

from collections.abc import Sequence
from pathlib import Path

from trtbench.api.words import words
from trtbench.progress import OnStep, silent
from trtbench.request import AnyPath
from trtbench.results import TraceReport


def trace(traces: AnyPath | Sequence[AnyPath], *, on_step: OnStep = silent) -> TraceReport:
    """Show where GPU and wall time go in a profiler's trace; several are summed up side by side.

    Args:
        traces: SQLite exports of Nsight Systems, traces of torch.profiler, or layer profiles of trtexec.
        on_step: progress callback.

    Raises:
        SpecError: there is no such file.
        ArtifactError: a file cannot be read, or holds no kernels; the text has the remedy.
    """
    from trtbench.trace import trace as run

    return run([Path(each) for each in words(traces)], on_step)
