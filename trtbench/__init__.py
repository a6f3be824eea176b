"""Measure what a Vision Transformer really runs in, per precision, on NVIDIA Blackwell."""

__version__ = "0.1.0"
