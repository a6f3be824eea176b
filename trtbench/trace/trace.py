"""The stage: files of profilers read and summed up, one trace for each GPU in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from trtbench.audit.inspect import inspect
from trtbench.errors import SpecError
from trtbench.predict.engine import predict_engine
from trtbench.predict.gpus import find_gpu
from trtbench.progress import OnStep, Step, silent
from trtbench.results import Audit, Prediction
from trtbench.results.trace import Trace, TraceReport
from trtbench.specs import GpuSpec
from trtbench.trace.layer_profile import LayerProfile
from trtbench.trace.metrics import trace_of, trace_of_profile
from trtbench.trace.read import read_trace
from trtbench.trace.reconcile import kernel_runs, reconcile


def trace(
    paths: Sequence[Path],
    engine: Path | None = None,
    gpu: GpuSpec | None = None,
    on_step: OnStep = silent,
) -> TraceReport:
    """Read one trace or several, each on its own.

    Args:
        paths: SQLite exports of Nsight Systems, traces of torch.profiler, layer profiles of trtexec.
        engine: what ran in all of them: an engine whose layers are put beside the kernels.
        gpu: that times of layers are predicted for; default: that of the trace, where it is known.
        on_step: progress callback; subjects are labels of traces.

    Raises:
        SpecError: there is no such file, or no engine, or no rates fit the GPU.
        ArtifactError: a file cannot be read, or holds no kernels; the text has the remedy.
    """
    audit = None if engine is None else _audit(engine)
    return TraceReport(
        traces=tuple(
            each
            for path, label in zip(paths, _labels(paths), strict=True)
            for each in _traces(path, label, audit, gpu, on_step)
        )
    )


def trace_recorded(
    path: Path, label: str, audit: Audit | None, gpu: GpuSpec | None, graph_ms: float | None
) -> tuple[Trace, ...]:
    """Read a trace that was recorded here, and reconcile it.

    Args:
        path: of the trace.
        label: what it is called.
        audit: of the engine, if one ran.
        gpu: as for ``trace``.
        graph_ms: time of an inference that was measured without a profiler.

    Raises:
        ArtifactError: the trace holds no kernels.
    """
    return tuple(_summed_up(path, label, audit, gpu, graph_ms))


def _traces(
    path: Path, label: str, audit: Audit | None, gpu: GpuSpec | None, on_step: OnStep
) -> Iterator[Trace]:
    on_step(Step("trace", f"read {path}", subject=label))
    yield from _summed_up(path, label, audit, gpu, None)


def _summed_up(
    path: Path, label: str, audit: Audit | None, gpu: GpuSpec | None, graph_ms: float | None
) -> Iterator[Trace]:
    """The traces of a file, reconciled if there is something to reconcile them with."""
    found = read_trace(path)
    for source in [found] if isinstance(found, LayerProfile) else found:
        if isinstance(source, LayerProfile):
            summed = trace_of_profile(source, label, path)
        else:
            several = isinstance(found, list) and len(found) > 1
            summed = trace_of(source, f"{label}, GPU {source.device}" if several else label, path)
        if audit is not None or graph_ms is not None:
            prediction = None if audit is None else _prediction(audit, gpu, summed)
            runs = kernel_runs(source)
            reconciled = reconcile(summed, runs, audit, prediction, graph_ms)
            summed = summed.model_copy(update={"reconciliation": reconciled})
        yield summed


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
    names = [path.stem for path in paths]
    return [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
