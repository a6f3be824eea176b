"""Timing of arms on a GPU (or a CPU), in processes of their own, and what the numbers allow to say."""
