"""The GPUs of the cost model as a result: what each is, and how well it is known."""

from trtbench.predict.fitted import level_of
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.results import GpuEntry, GpuList
from trtbench.specs import GpuSpec

LISTED_PRECISIONS = ("fp16", "fp8", "fp4")


def list_gpus() -> GpuList:
    """All GPUs that are known, in the order of their table."""
    return GpuList(gpus=tuple(map(gpu_entry, known_gpus())))


def gpu_entry(gpu: GpuSpec) -> GpuEntry:
    """What is shown of one GPU."""
    return GpuEntry(
        name=gpu.name,
        title=gpu.title,
        target=gpu.target,
        sms=gpu.sms,
        clock_mhz=gpu.clock_mhz,
        dram_gb_per_s=gpu.dram_gb_per_s,
        dense_tflops={name: _tflops(gpu, name) for name in LISTED_PRECISIONS},
        level=None if gpu.calibrated_on is None else level_of(gpu, find_gpu(gpu.calibrated_on)),
        calibrated_on=gpu.calibrated_on,
        not_predicted=gpu.not_predicted,
    )


def _tflops(gpu: GpuSpec, precision: str) -> float | None:
    return gpu.peak_flop_per_s(precision) / 1e12 if precision in gpu.flop_per_clock_sm else None
