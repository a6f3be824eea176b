"""Scales in FP16 of ranges in FP32.

ModelOpt rounds a range to FP16 before it divides by the largest code: an activation of 65,520, whose scale
is 512, becomes infinite, and so does its scale.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from modelopt.torch.quantization import export_onnx
from modelopt.torch.quantization.nn import TensorQuantizer
from torch import Tensor, nn

from trtbench.export.fp16 import FP16_MAX, fp16_scales

_INT8_MAX, _E4M3_MAX = 127, 448


def fit_range(quantizer: Any) -> bool:
    """Raise the range of a calibrated quantizer until its scales are numbers of FP16; return if it has any.

    Blocks have scales in FP32, which holds those of every range.
    """
    amax = quantizer.amax.float()
    if not 0 < float(amax.max()) < torch.inf:
        return False
    if quantizer.block_sizes:
        return True
    largest_code = _E4M3_MAX if isinstance(quantizer.num_bits, tuple) else _INT8_MAX
    scales = fp16_scales(amax.double().numpy() / largest_code)
    quantizer.amax = torch.as_tensor(scales * largest_code, dtype=amax.dtype)
    return bool(scales.max() <= FP16_MAX)


def halved(model: nn.Module) -> nn.Module:
    """Round ``model`` to FP16 but for the ranges that its quantizers hold."""
    ranges = [
        (module, module._amax.float())
        for module in model.modules()
        if isinstance(module, TensorQuantizer) and hasattr(module, "_amax")
    ]
    model.half()
    for quantizer, amax in ranges:
        quantizer._amax = amax
    return model


@contextmanager
def int8_scales() -> Iterator[None]:
    """Let INT8 quantizers that are traced within the block divide before they round."""
    original = export_onnx.export_int8
    export_onnx.export_int8 = _export_int8
    try:
        yield
    finally:
        export_onnx.export_int8 = original


def _export_int8(g: Any, inputs: Any, amax: Tensor, *_: object) -> Any:
    """What ModelOpt's function of this name emits, for signed numbers in the type of ``inputs``."""
    kind = inputs.type()
    scale = (amax.float() / _INT8_MAX).to(kind.dtype())
    axis = None if scale.numel() == 1 else max(range(scale.dim()), key=lambda i: scale.shape[i])
    scale = scale if axis is None else scale.flatten()
    zero = g.op(
        "Cast", g.op("Constant", value_t=torch.zeros_like(scale)), to_i=export_onnx.onnx_dtype_map["INT8"]
    )
    step = g.op("Constant", value_t=scale)
    quantized = g.op("QuantizeLinear", inputs, step, zero, axis_i=axis)
    return g.op("DequantizeLinear", quantized, step, zero, axis_i=axis).setType(kind)
