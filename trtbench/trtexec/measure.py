"""Has trtexec time an engine: it warms up, repeats and measures by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.build.supervise import supervise
from trtbench.build.trtexec import Trtexec
from trtbench.build.trtexec_log import error_words
from trtbench.errors import BuildError, MeasureError
from trtbench.results import Series
from trtbench.specs import BenchSpec
from trtbench.trtexec.command import Exports, bench_command
from trtbench.trtexec.results import (
    LayerTime,
    LoadedEngine,
    LogSummary,
    Protocol,
    read_engine,
    read_profile,
    read_protocol,
    read_summary,
    read_times,
)

_GRACE_S = 600.0
"""For loading the engine, the warm-up and the run that times layers."""


@dataclass(frozen=True)
class TimedRun:
    """A run of trtexec: what was run, how it says that it measured, and all samples in ms."""

    argv: tuple[str, ...]
    version: str
    engine: LoadedEngine
    protocol: Protocol
    samples: dict[Series, tuple[float, ...]]
    layers: tuple[LayerTime, ...]
    summary: LogSummary
    log_path: Path


def measure(
    trtexec: Trtexec,
    spec: BenchSpec,
    engine: Path,
    directory: Path,
    transfers: bool = False,
    shapes: Sequence[tuple[str, tuple[int, ...]]] = (),
    profile: bool = False,
) -> TimedRun:
    """Time ``engine``; the log and what trtexec exports stay in ``directory``.

    Args:
        trtexec: the program.
        spec: of its protocol trtexec knows the CUDA graph, the warm-up and the duration.
        engine: built by the same version.
        directory: that exists and has no other run in it.
        transfers: copy inputs and outputs with every query, too.
        shapes: of dynamic inputs.
        profile: time every layer, too, in a run after the other.

    Raises:
        SpecError: trtexec cannot do what the spec asks for.
        MeasureError: it failed, or measured otherwise than it was asked to.
    """
    log_path = directory / "trtexec.log"
    exports = Exports(directory / "times.json", directory / "profile.json" if profile else None)
    argv = bench_command(trtexec, spec, engine, exports, transfers, shapes)
    try:
        supervise(argv, log_path, spec.duration_s + spec.warmup_ms / 1e3 + _GRACE_S, None)
    except BuildError as error:
        words = error_words(_read(log_path)) or str(error)
        raise MeasureError(f"trtexec {trtexec.version} failed: {words} (log: {log_path})") from error
    log = _read(log_path)
    protocol = read_protocol(log)
    _check_protocol(protocol, spec, transfers, log_path)
    return TimedRun(
        argv=argv,
        version=trtexec.version,
        engine=read_engine(log),
        protocol=protocol,
        samples=read_times(exports.times, transfers),
        layers=() if exports.profile is None else read_profile(exports.profile),
        summary=read_summary(log),
        log_path=log_path,
    )


def _check_protocol(protocol: Protocol, spec: BenchSpec, transfers: bool, log_path: Path) -> None:
    asked = {"cuda_graph": spec.cuda_graph, "transfers": transfers, "spin_wait": True}
    differs = [name for name, value in asked.items() if getattr(protocol, name) != value]
    if differs:
        raise MeasureError(
            f"trtexec measured with another {', '.join(differs)} than it was asked for (log: {log_path}): "
            "is it another version than it says?"
        )
    if spec.cuda_graph and not protocol.cuda_graph_captured:
        raise MeasureError(
            f"trtexec could not capture a CUDA graph, and timed without one (log: {log_path}): measure with "
            "--no-graph"
        )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
