"""Grids of Vision Transformers: plans of what to make, predict and time, by processes here or on Ray."""

from trtbench.sweep.estimate import estimate
from trtbench.sweep.sweep import sweep

__all__ = ["estimate", "sweep"]
