"""Stage ``build``: ONNX to engine, in a process of its own; with TensorRT-RTX no GPU is needed."""

from trtbench.build.engine import build

__all__ = ["build"]
