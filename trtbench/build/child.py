"""Runs TensorRT or TensorRT-RTX, and nothing else: ``python child.py JOB``, a ``BuildJob`` as JSON.

A process of its own, since the compiler can crash, hang, or need more memory than there is. It is run by
path, so that it imports the standard library and the compiler only. What the compiler says goes to the log
message by message, so that its last words survive a crash.

Every name of the compiler's API that differs between TensorRT, TensorRT-RTX and their versions comes with the
job (see ``dialect.py``); here names are looked up, and one that is missing is an error in the log.
"""

import fcntl
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

_PROGRESS_INTERVAL_S = 1.0

Ranges = Mapping[str, Sequence[Sequence[int]]]
"""By input: least, best and greatest shape."""


@dataclass(frozen=True)
class BuildJob:
    """What to compile, and where to write the engine and the log.

    ``targets`` such as ``sm120``: none, where the engine is for the local GPU. ``network_flags`` and
    ``flags``: members of ``NetworkDefinitionCreationFlag`` and ``BuilderFlag``. ``settings``: attributes of
    the configuration, each a number or a member of an enum by name (``TilingOptimizationLevel.FULL``).
    ``inspector_path``: file for the engine inspector's JSON, which takes a GPU. ``timing_cache_path``: file
    to share timings by.
    """

    onnx_path: str
    engine_path: str
    log_path: str
    targets: Sequence[str]
    sparsity: bool
    module: str = "tensorrt_rtx"
    network_flags: Sequence[str] = ()
    flags: Sequence[str] = ("DISABLE_TIMING_CACHE",)
    settings: Mapping[str, int | str] = field(default_factory=dict)
    workspace_bytes: int | None = None
    profiles: Sequence[Ranges] = ()
    timing_cache_path: str | None = None
    inspector_path: str | None = None
    plugins: bool = False


class CompileFailed(Exception):
    """The compiler refused; its own words are in the log already."""


def main(argument: str) -> int:
    """Carry out the job; a failure's last ``[ERROR]`` in the log is its reason."""
    job = BuildJob(**json.loads(argument))
    trt = import_module(job.module)
    logger = open_logger(trt, Path(job.log_path))
    try:
        compile_engine(trt, job, logger)
        logger.log(trt.ILogger.INFO, f"Peak resident memory: {peak_rss_bytes()} bytes")
    except CompileFailed:
        return 1
    except Exception as error:
        traceback.print_exc()
        logger.log(trt.ILogger.ERROR, f"{type(error).__name__}: {error}")
        return 1
    return 0


def peak_rss_bytes() -> int:
    """High-water mark of this process, which cannot be read from outside a container."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")


def open_logger(trt: Any, path: Path) -> Any:
    """Make an ``ILogger`` that appends each message, unbuffered, as ``[SEVERITY] text``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class BuildLog(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            os.write(descriptor, f"[{severity.name}] {message}\n".encode(errors="replace"))

    return BuildLog()


def compile_engine(trt: Any, job: BuildJob, logger: Any) -> None:
    """Parse, compile for all targets at once, and write the engine and what the inspector says of it.

    Raises:
        CompileFailed: the parser or the compiler refused.
    """
    if job.plugins:
        trt.init_libnvinfer_plugins(logger, "")
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt, job.network_flags))
    parser = trt.OnnxParser(network, logger)
    # From the file, not from its bytes, so that weights beside it are found.
    if not parser.parse_from_file(job.onnx_path):
        for index in range(parser.num_errors):
            logger.log(trt.ILogger.ERROR, str(parser.get_error(index)))
        raise CompileFailed
    config = _configure(trt, builder, job)
    config.progress_monitor = open_progress_monitor(trt, logger)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise CompileFailed
    Path(job.engine_path).write_bytes(plan)
    if job.timing_cache_path is not None:
        _store_timing_cache(trt, config, Path(job.timing_cache_path), logger)
    if job.inspector_path is not None:
        Path(job.inspector_path).write_text(_inspect(trt, job, plan, logger), encoding="utf-8")


def open_progress_monitor(trt: Any, logger: Any) -> Any:
    """Make an ``IProgressMonitor`` that logs ``Progress: DONE/TOTAL PHASE``, at most once a second.

    Phases within phases have too many short steps to log them all.
    """

    class ProgressLog(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.told_s = -_PROGRESS_INTERVAL_S

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps
            self._tell(phase_name, 0, must=parent_phase is None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            # An exception in here would end the process without a message.
            self._tell(phase_name, step + 1, must=False)
            return True

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

        def _tell(self, phase: str, done: int, must: bool) -> None:
            now_s, total = time.monotonic(), self.steps.get(phase)
            if total is not None and (must or now_s - self.told_s >= _PROGRESS_INTERVAL_S):
                self.told_s = now_s
                logger.log(trt.ILogger.INFO, f"Progress: {done}/{total} {phase}")

    return ProgressLog()


def _network_flags(trt: Any, names: Sequence[str]) -> int:
    """Bits of the flags; the same flag is another bit in TensorRT 10 and 11."""
    members = trt.NetworkDefinitionCreationFlag.__members__
    return sum(1 << int(members[name]) for name in names)


def _configure(trt: Any, builder: Any, job: BuildJob) -> Any:
    config = builder.create_builder_config()
    _set_targets(trt, config, job.targets)
    # Only at this verbosity does the compiler list its layers, in the log and to the inspector.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    # On by default, it would let FP32 products run in TF32 while the layers call them Float.
    config.clear_flag(trt.BuilderFlag.TF32)
    for name in (*job.flags, *(("SPARSE_WEIGHTS",) if job.sparsity else ())):
        config.set_flag(trt.BuilderFlag.__members__[name])
    for attribute, value in job.settings.items():
        setattr(config, attribute, _enum_member(trt, value) if isinstance(value, str) else value)
    if job.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, job.workspace_bytes)
    for ranges in job.profiles:
        _add_profile(trt, builder, config, ranges)
    if job.timing_cache_path is not None:
        _load_timing_cache(config, Path(job.timing_cache_path))
    return config


def _set_targets(trt: Any, config: Any, targets: Sequence[str]) -> None:
    if not targets:
        return
    config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        if not config.set_compute_capability(trt.ComputeCapability.__members__[target.upper()], index):
            raise ValueError(f"TensorRT-RTX does not take {target} as a target")


def _enum_member(trt: Any, name: str) -> Any:
    enum, _, member = name.partition(".")
    return getattr(trt, enum).__members__[member]


def _add_profile(trt: Any, builder: Any, config: Any, ranges: Ranges) -> None:
    profile = builder.create_optimization_profile()
    for name, shapes in ranges.items():
        profile.set_shape(name, *(trt.Dims(tuple(shape)) for shape in shapes))
    if config.add_optimization_profile(profile) < 0:
        raise ValueError(f"the optimization profile {dict(ranges)} does not fit the inputs of the model")


def _load_timing_cache(config: Any, path: Path) -> None:
    """Use the timings in the file, if there is one."""
    content = b""
    with suppress(FileNotFoundError):
        content = path.read_bytes()
    # A cache of another version or GPU must not be used, whatever its timings.
    if not config.set_timing_cache(config.create_timing_cache(content), False):
        raise ValueError(f"{path}: a timing cache of another version or GPU: delete it")


def _store_timing_cache(trt: Any, config: Any, path: Path, logger: Any) -> None:
    """Add the timings of this build to the file, which another build may have written meanwhile."""
    cache = config.get_timing_cache()
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and not cache.combine(config.create_timing_cache(path.read_bytes()), False):
            logger.log(
                trt.ILogger.WARNING,
                f"Timing cache: TensorRT does not combine the timings of this build with those in {path}, "
                "which stays as it was: delete it, if that happens again",
            )
            return
        work = path.with_suffix(f".{os.getpid()}.part")
        try:
            work.write_bytes(cache.serialize())
            work.replace(path)
        finally:
            work.unlink(missing_ok=True)


def _inspect(trt: Any, job: BuildJob, plan: Any, logger: Any) -> str:
    """What the engine inspector says of all layers, as JSON.

    Raises:
        CompileFailed: the engine does not load here.
    """
    runtime = trt.Runtime(logger)
    if "VERSION_COMPATIBLE" in job.flags:
        # The plan has a lean runtime in it, code for the host, which this process itself put there.
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise CompileFailed
    inspector = engine.create_engine_inspector()
    if job.profiles:
        context = _shaped_context(trt, engine, job.profiles[0])
        if context is not None:
            inspector.execution_context = context
    information: str = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    return information


def _shaped_context(trt: Any, engine: Any, ranges: Ranges) -> Any:
    """An execution context at the best shape of the first profile; None where TensorRT makes none.

    For dynamic tensors without shapes, the inspector of TensorRT 10 reports neither format nor datatype.
    """
    # Nothing will run, so it needs no memory for activations.
    context = engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
    if context is None:
        return None
    taken = [context.set_input_shape(name, tuple(best)) for name, (_, best, _) in ranges.items()]
    return context if all(taken) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
