"""The stage: files of profilers read and summed up, one trace for each GPU in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from trtbench.progress import OnStep, Step, silent
from trtbench.results.trace import Trace, TraceReport
from trtbench.trace.layer_profile import LayerProfile
from trtbench.trace.metrics import trace_of, trace_of_profile
from trtbench.trace.read import read_trace


def trace(paths: Sequence[Path], on_step: OnStep = silent) -> TraceReport:
    """Read one trace or several, each on its own.

    Args:
        paths: SQLite exports of Nsight Systems, traces of torch.profiler, layer profiles of trtexec.
        on_step: progress callback; subjects are labels of traces.

    Raises:
        SpecError: there is no such file.
        ArtifactError: a file cannot be read, or holds no kernels; the text has the remedy.
    """
    return TraceReport(
        traces=tuple(
            each
            for path, label in zip(paths, _labels(paths), strict=True)
            for each in _traces(path, label, on_step)
        )
    )


def _traces(path: Path, label: str, on_step: OnStep) -> Iterator[Trace]:
    on_step(Step("trace", f"read {path}", subject=label))
    found = read_trace(path)
    if isinstance(found, LayerProfile):
        yield trace_of_profile(found, label, path)
        return
    for recording in found:
        name = f"{label}, GPU {recording.device}" if len(found) > 1 else label
        yield trace_of(recording, name, path)


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names of the files; in full where they are alike."""
    names = [path.stem for path in paths]
    return [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
