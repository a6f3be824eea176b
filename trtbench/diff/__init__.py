"""Two engines, layer by layer."""

from trtbench.diff.engines import AuditedEngine, diff, diff_engines

__all__ = ["AuditedEngine", "diff", "diff_engines"]
