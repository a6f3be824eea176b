"""What profilers recorded: read from their files, or recorded here, and summed up."""

from trtbench.trace.trace import trace

__all__ = ["trace"]
