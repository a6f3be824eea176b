"""RMSNorm in operators of the opset that models are traced with, which has none for it.

Squares are summed in FP32: in FP16, that of 256 is infinite.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from onnx import TensorProto
from torch.onnx import symbolic_helper
from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

_OPERATOR = "aten::rms_norm"
_ONNX_TYPES = {torch.float16: TensorProto.FLOAT16, torch.bfloat16: TensorProto.BFLOAT16}


@contextmanager
def traceable_rms_norm(opset: int) -> Iterator[None]:
    """Let torch's exporter write RMSNorm while the block lasts."""
    register_custom_op_symbolic(_OPERATOR, _rms_norm, opset)
    try:
        yield
    finally:
        unregister_custom_op_symbolic(_OPERATOR, opset)


@symbolic_helper.parse_args("v", "is", "v", "f")
def _rms_norm(g: Any, x: Any, normalized_shape: list[int], weight: Any, eps: float) -> Any:
    narrow = _ONNX_TYPES.get(x.type().dtype())
    wide = x if narrow is None else g.op("Cast", x, to_i=TensorProto.FLOAT)
    axes = g.op("Constant", value_t=torch.arange(-len(normalized_shape), 0))
    mean = g.op("ReduceMean", g.op("Mul", wide, wide), axes, keepdims_i=1)
    root = g.op("Sqrt", g.op("Add", mean, g.op("Constant", value_t=torch.tensor(eps))))
    normalized = g.op("Div", wide, root)
    if narrow is not None:
        normalized = g.op("Cast", normalized, to_i=narrow)
    if not symbolic_helper._is_none(weight):
        normalized = g.op("Mul", normalized, weight)
    return normalized.setType(x.type())
