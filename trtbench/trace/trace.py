"""The stage: files of profilers read and summed up, one trace for each GPU in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.audit.inspect import inspect
from trtbench.errors import SpecError
from trtbench.predict.engine import predict_engine
from trtbench.predict.gpus import find_gpu
from trtbench.progress import OnStep, Step, silent
from trtbench.results import Audit, Prediction
from trtbench.results.trace import Trace, TraceReport
from trtbench.specs import GpuSpec
from trtbench.trace.amdahl import amdahl_of
from trtbench.trace.layer_profile import LayerProfile
from trtbench.trace.metrics import trace_of, trace_of_profile
from trtbench.trace.read import read_trace
from trtbench.trace.reconcile import kernel_runs, reconcile
from trtbench.trace.recording import Recording
from trtbench.trace.timeline import AddTrace, timeline_writer


def trace(
    paths: Sequence[Path],
    engine: Path | None = None,
    gpu: GpuSpec | None = None,
    on_step: OnStep = silent,
    timeline: Path | None = None,
) -> TraceReport:
    """Read one trace or several, each on its own.

    Args:
        paths: SQLite exports of Nsight Systems, traces of torch.profiler, layer profiles of trtexec.
        engine: what ran in all of them: an engine whose layers are put beside the kernels.
        gpu: that times of layers are predicted for; default: that of the trace, where it is known.
        on_step: progress callback; subjects are labels of traces.
        timeline: where a timeline of them is written, for ui.perfetto.dev.

    Raises:
        SpecError: there is no such file, or no engine, or no rates fit the GPU.
        ArtifactError: a file cannot be read, or holds no kernels; the text has the remedy.
    """
    audit = None if engine is None else _audit(engine)
    subjects = [Subject(path, label, audit) for path, label in zip(paths, _labels(paths), strict=True)]
    return report_on(subjects, gpu, timeline, on_step)


@dataclass(frozen=True)
class Subject:
    """A file with a trace.

    Args:
        path: of the file.
        label: what it is called.
        audit: of the engine that ran, if it is known.
        graph_ms: time of an inference that was measured without a profiler.
    """

    path: Path
    label: str
    audit: Audit | None = None
    graph_ms: float | None = None


def report_on(
    subjects: Sequence[Subject], gpu: GpuSpec | None, timeline: Path | None, on_step: OnStep
) -> TraceReport:
    """Read and reconcile traces; arguments and errors as in ``trace``."""
    with timeline_writer(timeline) as add:
        traces = tuple(each for subject in subjects for each in _traces(subject, gpu, add, on_step))
    return TraceReport(traces=traces, amdahl=amdahl_of(traces))


def _traces(subject: Subject, gpu: GpuSpec | None, add: AddTrace, on_step: OnStep) -> Iterator[Trace]:
    """The traces of a file, one a GPU."""
    path, label = subject.path, subject.label
    on_step(Step("trace", f"read {path}", subject=label))
    found = read_trace(path)
    if isinstance(found, LayerProfile):
        yield _reconciled(trace_of_profile(found, label, path), found, subject, gpu)
        return
    for recording in found:
        name = f"{label}, GPU {recording.device}" if len(found) > 1 else label
        add(name, recording)
        yield _reconciled(trace_of(recording, name, path), recording, subject, gpu)


def _reconciled(
    trace: Trace, source: Recording | LayerProfile, subject: Subject, gpu: GpuSpec | None
) -> Trace:
    """The trace, with its layers if its engine is known, and its sums if it was timed without a profiler."""
    audit = subject.audit
    if audit is None and subject.graph_ms is None:
        return trace
    prediction = None if audit is None else _prediction(audit, gpu, trace)
    found = reconcile(trace, kernel_runs(source), audit, prediction, subject.graph_ms)
    return trace.model_copy(update={"reconciliation": found})


def _audit(engine: Path) -> Audit:
    audit = inspect(engine)
    if audit.backend is None:
        raise SpecError(f"{engine}: a model, not an engine; name what trtbench build made of it")
    return audit


def _prediction(audit: Audit, gpu: GpuSpec | None, trace: Trace) -> Prediction | None:
    """Predicted times of the layers on ``gpu``, or on the GPU of the trace if it is known."""
    batch = next(iter(audit.inputs.values()))[0]
    if gpu is not None:
        return predict_engine(audit, gpu, batch)
    try:
        return predict_engine(audit, find_gpu(trace.gpu or ""), batch)
    except SpecError:  # not in the table of GPUs, or without rates
        return None


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names of the files; in full where they are alike."""
    names = [Path(path.name.removesuffix(".gz")).stem for path in paths]
    return [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
