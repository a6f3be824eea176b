"""What this machine is: recorded with every comparison. Imports neither torch nor TensorRT."""

import ctypes
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import trtbench
from trtbench.errors import RuntimeUnavailable
from trtbench.host.commit import checked_out
from trtbench.host.installation import needing
from trtbench.host.variables import acting_on_times
from trtbench.results.environments import Environment, Gpu

RECORDED_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "nvidia-modelopt",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt-rtx",
    "tensorrt",
)


def collect_environment() -> Environment:
    """Look at this machine; an absent GPU driver is a recorded reason, not an error."""
    gpus: tuple[Gpu, ...] = ()
    no_gpu_reason = None
    try:
        gpus = read_gpus()
    except RuntimeUnavailable as error:
        no_gpu_reason = str(error)
    return Environment(
        trtbench_version=trtbench.__version__,
        python_version=platform.python_version(),
        platform=platform.platform(),
        cpu_model=_cpu_model(),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        packages=package_versions(RECORDED_PACKAGES),
        gpus=gpus,
        no_gpu_reason=no_gpu_reason,
        variables=acting_on_times(os.environ),
        recorded_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        commit=checked_out(),
        command=_command(),
    )


def _command() -> str | None:
    """The command line, to be pasted; None in a program of others."""
    program, *words = sys.argv
    return shlex.join(["trtbench", *words]) if Path(program).name == "trtbench" else None


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Give the versions of the installed ones among the distributions ``names``."""
    versions = {name: _version(name) for name in names}
    return {name: version for name, version in versions.items() if version is not None}


def read_gpus() -> tuple[Gpu, ...]:
    """Ask the driver (NVML) for all GPUs.

    Raises:
        RuntimeUnavailable: nvidia-ml-py is not installed, or there is no working driver or no GPU.
    """
    with _open_nvml() as nvml:
        return tuple(_gpu(nvml, handle) for handle in _handles(nvml))


def first_gpu() -> Gpu:
    """Describe the GPU that CUDA calls the first in the processes that build and measure.

    Raises:
        RuntimeUnavailable: there is no working driver or no GPU, or ``CUDA_VISIBLE_DEVICES`` hides it.
    """
    visible_devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    with _open_nvml() as nvml:
        handle = first_visible_gpu(nvml, visible_devices)
        if handle is not None:
            return _gpu(nvml, handle)
        raise RuntimeUnavailable(
            f"CUDA_VISIBLE_DEVICES={visible_devices!r} begins with none of the {len(_handles(nvml))} GPUs: "
            "name a whole one first, by its number or UUID (nvidia-smi -L), or unset it"
        )


def check_cuda() -> None:
    """Find a GPU that CUDA can use: one that NVML describes or, where NVML does not answer, that CUDA counts.

    Raises:
        RuntimeUnavailable: there is none; the text is NVML's.
    """
    try:
        first_gpu()
    except RuntimeUnavailable:
        if not _cuda_devices():
            raise


def _cuda_devices() -> int:
    """Ask the CUDA driver itself: on Jetson and in some containers NVML is missing where CUDA works."""
    count = ctypes.c_int(0)
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        usable = cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        return 0
    return count.value if usable else 0


def first_visible_gpu(nvml: Any, visible_devices: str | None) -> Any | None:
    """Handle of the GPU that ``CUDA_VISIBLE_DEVICES`` names first: a number in PCI order, or a UUID's start.

    Where it is not set (None), the first of all; an empty one hides them all. None when it names no GPU, or
    a part of one (MIG), whose clocks and power are not its own.
    """
    handles = _handles(nvml)
    name = "0" if visible_devices is None else visible_devices.split(",")[0].strip()
    if name.isdigit():
        return dict(enumerate(handles)).get(int(name))
    return next((each for each in handles if name and nvml.nvmlDeviceGetUUID(each).startswith(name)), None)


@contextmanager
def _open_nvml() -> Iterator[Any]:
    """Open NVML for the ``with`` block, with at least one GPU; re-raise its errors as RuntimeUnavailable."""
    with needing("nvidia-ml-py"):
        import pynvml
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise RuntimeUnavailable(f"no NVIDIA driver answers: {error}") from error
    try:
        if not _handles(pynvml):
            raise RuntimeUnavailable("the NVIDIA driver answers, but sees no GPU")
        yield pynvml
    except pynvml.NVMLError as error:
        raise RuntimeUnavailable(f"the NVIDIA driver cannot describe its GPUs: {error}") from error
    finally:
        pynvml.nvmlShutdown()


def _handles(nvml: Any) -> list[Any]:
    return [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]


@cache  # a comparison asks for each several times, and reading metadata takes 3 ms
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _gpu(pynvml: Any, handle: Any) -> Gpu:
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    try:
        memory_bytes = pynvml.nvmlDeviceGetMemoryInfo(handle).total
    except pynvml.NVMLError_NotSupported:
        memory_bytes = None
    return Gpu(
        name=pynvml.nvmlDeviceGetName(handle),
        compute_capability=f"{major}.{minor}",
        memory_bytes=memory_bytes,
        driver_version=pynvml.nvmlSystemGetDriverVersion(),
    )


def _cpu_model() -> str:
    """Read the name from /proc/cpuinfo; Arm kernels give none, and then the architecture must do."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()
