"""Has trtexec time an engine: it warms up, repeats and measures by itself."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from trtbench.errors import BuildError, Code, MeasureError
from trtbench.host.processes import supervise
from trtbench.results import LayerTime, Series
from trtbench.specs import BenchSpec, BuilderOptions
from trtbench.trtexec.command import Exports, bench_command
from trtbench.trtexec.log import refusal_words
from trtbench.trtexec.results import (
    LoadedEngine,
    Protocol,
    read_engine,
    read_gpu_compute_median_ms,
    read_profile,
    read_protocol,
    read_times,
)
from trtbench.trtexec.tool import Trtexec
from trtbench.units import format_seconds

_GRACE_S = 600.0
"""For loading the engine, the warm-up and the run that times layers."""
_SUMMARY_MARGIN = 0.01
_CODES = {Code.BUILD_TIME_LIMIT: Code.MEASURE_TIME_LIMIT, Code.BUILD_KILLED: Code.MEASURE_KILLED}
"""How a program ended that was run, not to build, but to measure."""


@dataclass(frozen=True)
class TimedRun:
    """A run of trtexec: what it says of the engine at ``path`` and of its protocol, and all samples in ms."""

    path: Path
    engine: LoadedEngine
    protocol: Protocol
    samples: dict[Series, tuple[float, ...]]
    layers: tuple[LayerTime, ...]


def measure(
    trtexec: Trtexec,
    spec: BenchSpec,
    engine: Path,
    directory: Path,
    options: BuilderOptions,
    profile: bool = False,
) -> TimedRun:
    """Time ``engine``; the log and what trtexec exports stay in ``directory``.

    Args:
        trtexec: the program.
        spec: of its protocol trtexec knows the CUDA graph, the warm-up and the duration.
        engine: built by the same version.
        directory: that exists and has no other run in it.
        options: how the engine was built.
        profile: time every layer, too, after the queries.

    Raises:
        SpecError: trtexec cannot do what the spec asks for.
        MeasureError: it failed, or measured otherwise than it was asked to.
    """
    log_path = directory / "trtexec.log"
    exports = Exports(directory / "times.json", directory / "profile.json" if profile else None)
    argv = bench_command(trtexec, spec, engine, exports, options)
    limit_s = spec.duration_s + spec.warmup_ms / 1e3 + _GRACE_S
    try:
        supervise(argv, log_path, limit_s, None, words=refusal_words)
    except BuildError as error:
        failed = f"failed: {error}"
        if error.code == Code.BUILD_TIME_LIMIT:
            failed = f"did not end within {format_seconds(limit_s)}: does another process keep the GPU busy?"
        raise MeasureError(
            f"trtexec {trtexec.version} {failed} (log: {log_path})", code=_CODES.get(error.code)
        ) from error
    log = _read(log_path)
    protocol = read_protocol(log)
    _check_protocol(protocol, spec, log_path)
    samples = read_times(exports.times)
    _check_summary(samples["gpu_compute_ms"], read_gpu_compute_median_ms(log), log_path)
    layers = () if exports.profile is None else read_profile(exports.profile)
    return TimedRun(engine, read_engine(log), protocol, samples, layers)


def _check_summary(gpu_compute_ms: tuple[float, ...], reported_ms: float, log_path: Path) -> None:
    """What was exported must be what trtexec itself sums up: without the warm-up, in the same unit."""
    exported_ms = statistics.median(gpu_compute_ms)
    if abs(exported_ms / reported_ms - 1) > _SUMMARY_MARGIN:
        raise MeasureError(
            f"trtexec exported times with a median of {exported_ms:.4g} ms and reports {reported_ms:.4g} ms "
            f"(log: {log_path}): is its version the one it reports?"
        )


def _check_protocol(protocol: Protocol, spec: BenchSpec, log_path: Path) -> None:
    asked = {"cuda_graph": spec.cuda_graph, "transfers": False, "spin_wait": True}
    differs = [name for name, value in asked.items() if getattr(protocol, name) != value]
    if differs:
        raise MeasureError(
            f"trtexec measured with another {', '.join(differs)} than requested (log: {log_path}): "
            "is its version the one it reports?"
        )
    if spec.cuda_graph and not protocol.cuda_graph_captured:
        raise MeasureError(
            f"trtexec could not capture a CUDA graph, and timed without one (log: {log_path}): measure with "
            "--no-graph",
            code=Code.GRAPH_CAPTURE_FAILED,
        )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
