"""Two engines, layer by layer."""

from trtbench.diff.engines import diff, diff_engines

__all__ = ["diff", "diff_engines"]
