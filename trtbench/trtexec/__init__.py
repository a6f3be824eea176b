"""NVIDIA's own tool as a timer: the command for the version at hand, and what it writes read back."""

from trtbench.trtexec.check import trtexec_disagrees
from trtbench.trtexec.command import bench_command, check_protocol
from trtbench.trtexec.measure import TimedRun, measure

__all__ = ["TimedRun", "bench_command", "check_protocol", "measure", "trtexec_disagrees"]
