"""What this machine can do, and which GPUs are known."""

from trtbench.results import GpuList
from trtbench.results.doctor import Diagnosis


def gpus() -> GpuList:
    """List the GPUs that times can be predicted for, and how well each is known.

    Clocks are in MHz, bandwidths in GB/s, peaks in TFLOP/s without sparsity.
    """
    from trtbench.predict.listing import list_gpus

    return list_gpus()


def doctor(*, deep: bool = False) -> Diagnosis:
    """Check the installation: what is installed, which backends work, what is missing and how to get it.

    Args:
        deep: import every package in a process of its own, which takes several seconds.
    """
    from trtbench.doctor.diagnose import diagnose

    return diagnose(deep=deep)
