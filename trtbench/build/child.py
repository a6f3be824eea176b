"""Runs TensorRT-RTX, and nothing else: ``python child.py JOB``, where JOB is a ``BuildJob`` as JSON.

A process of its own, since the compiler can crash, hang, or need more memory than there is. It is run by
path, so that it imports the standard library and the compiler only. What TensorRT-RTX says goes to the log
message by message, so that its last words survive a crash.
"""

import ctypes
import json
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class BuildJob:
    """What to compile, for which ``targets`` (``sm120``), and where to write the engine and the log."""

    onnx_path: str
    engine_path: str
    log_path: str
    targets: tuple[str, ...]
    sparsity: bool


class CompileFailed(Exception):
    """TensorRT-RTX refused; its own words are in the log already."""


def main(argument: str) -> int:
    """Carry out the job; a failure's last ``[ERROR]`` in the log is its reason."""
    die_with_parent()
    job = BuildJob(**json.loads(argument))
    import tensorrt_rtx

    logger = open_logger(tensorrt_rtx, Path(job.log_path))
    try:
        compile_engine(tensorrt_rtx, job, logger)
    except CompileFailed:
        return 1
    except Exception as error:
        traceback.print_exc()
        logger.log(tensorrt_rtx.ILogger.ERROR, f"{type(error).__name__}: {error}")
        return 1
    return 0


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies: nobody would wait for the engine."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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
    """Parse, compile for all targets at once, and write the engine.

    Raises:
        CompileFailed: the parser or the compiler refused.
    """
    builder = trt.Builder(logger)
    # No flags: TensorRT-RTX networks are always strongly typed.
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    # From the file, not from its bytes, so that weights beside it are found.
    if not parser.parse_from_file(job.onnx_path):
        for index in range(parser.num_errors):
            logger.log(trt.ILogger.ERROR, str(parser.get_error(index)))
        raise CompileFailed
    plan = builder.build_serialized_network(network, _configure(trt, builder.create_builder_config(), job))
    if plan is None:
        raise CompileFailed
    Path(job.engine_path).write_bytes(plan)


def _configure(trt: Any, config: Any, job: BuildJob) -> Any:
    config.num_compute_capabilities = len(job.targets)
    for index, target in enumerate(job.targets):
        if not config.set_compute_capability(trt.ComputeCapability.__members__[target.upper()], index):
            raise ValueError(f"TensorRT-RTX does not take {target} as a target")
    # Only this verbosity ends the log with the list of compiled layers.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    # The cache does nothing since 1.2, and some versions look for a GPU to fill it.
    config.set_flag(trt.BuilderFlag.DISABLE_TIMING_CACHE)
    # On by default, it would let FP32 products run in TF32 while the log calls them Float.
    config.clear_flag(trt.BuilderFlag.TF32)
    if job.sparsity:
        config.set_flag(trt.BuilderFlag.SPARSE_WEIGHTS)
    return config


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
