"""The machine that measures, as far as two halves of one run must share it."""

from collections.abc import Iterable
from typing import Any

from trtbench.errors import RuntimeUnavailable
from trtbench.measure.telemetry import visible_gpu
from trtbench.results import Environment
from trtbench.runtimes import runtime_entry
from trtbench.trtexec.tool import find_trtexec


def gpu_identity() -> dict[str, str] | None:
    """Name, UUID and driver of the GPU that CUDA calls the first; None where NVML knows none."""
    found = visible_gpu()
    if found is None:
        return None
    nvml, handle = found
    return {
        "name": nvml.nvmlDeviceGetName(handle),
        "uuid": nvml.nvmlDeviceGetUUID(handle),
        "driver_version": nvml.nvmlSystemGetDriverVersion(),
    }


def machine_identity(
    gpu: dict[str, str] | None, environment: Environment, runtimes: Iterable[str]
) -> dict[str, Any]:
    """The GPU, the CPU, versions of what runs models (packages, trtexec), and variables that act on times."""
    machine = {
        "gpu": gpu,
        "cpu_model": environment.cpu_model,
        "cpu_count": environment.cpu_count,
        "packages": environment.packages,
        "trtbench_version": environment.trtbench_version,
    }
    if environment.variables:
        machine["variables"] = environment.variables
    if any(runtime_entry(runtime).times_itself for runtime in runtimes):
        machine["trtexec"] = _trtexec_version()
    return machine


def _trtexec_version() -> str | None:
    """None where there is none: its arms then say how to get it."""
    try:
        return find_trtexec().version
    except RuntimeUnavailable:
        return None
