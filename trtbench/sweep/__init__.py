"""Grids of Vision Transformers: plans of what to make, predict and time."""
