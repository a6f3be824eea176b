"""Reading ONNX files of any maker: one reader, which checks them and turns every fault into one line."""

from trtbench.onnx_files.faults import onnx_faults
from trtbench.onnx_files.infer import infer_shapes
from trtbench.onnx_files.read import parse_model, read_model

__all__ = ["infer_shapes", "onnx_faults", "parse_model", "read_model"]
