"""Stage ``build``: ONNX to engine, in a process of its own; with TensorRT-RTX no GPU is needed."""

from trtbench.build.engine import build
from trtbench.build.source import load_onnx

__all__ = ["build", "load_onnx"]
