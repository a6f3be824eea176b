"""Verification: how close an exported model comes to its FP32 model, computed on a CPU from the ONNX file."""

from trtbench.verify.measure import fidelity_of
from trtbench.verify.verify import load_reference, verify

__all__ = ["fidelity_of", "load_reference", "verify"]
