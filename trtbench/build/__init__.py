"""Stage ``build``: ONNX to engine with TensorRT-RTX, in a process of its own, with no GPU needed."""

from trtbench.build.engine import build
from trtbench.build.source import load_onnx

__all__ = ["build", "load_onnx"]
