"""NVIDIA's own tool as a timer: the command for the version at hand, and what it writes read back."""

from trtbench.trtexec.check import trtexec_disagrees
from trtbench.trtexec.command import bench_command
from trtbench.trtexec.measure import SelfTimed, measure

__all__ = ["SelfTimed", "bench_command", "measure", "trtexec_disagrees"]
