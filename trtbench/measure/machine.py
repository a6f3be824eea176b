"""The machine that measures, as far as two halves of one run must share it."""

from typing import Any

from trtbench.environment import collect_environment
from trtbench.measure.telemetry import visible_gpu


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


def machine_identity(gpu: dict[str, str] | None) -> dict[str, Any]:
    """The GPU, the CPU, and the versions of the packages that run models."""
    environment = collect_environment()
    return {
        "gpu": gpu,
        "cpu_model": environment.cpu_model,
        "cpu_count": environment.cpu_count,
        "packages": environment.packages,
        "trtbench_version": environment.trtbench_version,
    }
