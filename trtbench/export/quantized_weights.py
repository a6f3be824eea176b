"""One concern: the weights of a traced model, from FP16 to the type that is asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import ml_dtypes
import numpy as np
import onnx
from modelopt.onnx.export import (
    FP8QuantExporter,
    INT8QuantExporter,
    MXFP8QuantExporter,
    NVFP4QuantExporter,
    ONNXQuantExporter,
    nvfp4_exporter,
)
from modelopt.torch.quantization.export_onnx import configure_linear_module_onnx_quantizers
from onnx import TensorProto, numpy_helper

from trtbench.specs.recipe import Precision

emit_block_quantizers = configure_linear_module_onnx_quantizers
"""Context in which a model with block quantizers is traced: weights static, activations dynamic."""

# In the order in which ModelOpt applies them.
_EXPORTERS: dict[Precision, type[ONNXQuantExporter]] = {
    Precision.NVFP4: NVFP4QuantExporter,
    Precision.MXFP8: MXFP8QuantExporter,
    Precision.FP8: FP8QuantExporter,
    Precision.INT8: INT8QuantExporter,
}

_ONNX_OPERATORS = {"TRT_FP8QuantizeLinear": "QuantizeLinear", "TRT_FP8DequantizeLinear": "DequantizeLinear"}


def with_quantized_weights(model: onnx.ModelProto, precisions: Sequence[Precision]) -> onnx.ModelProto:
    """Let ModelOpt's exporters quantise the weights and write them as quantised constants.

    Of what the exporters do besides, left out are a change of the function (with MXFP8, GELU becomes its tanh
    approximation) and quantizers without a partner, which slow the compiled engine down (with FP8, on the
    result of softmax and on the weight of the patch embedding).
    """
    approximations = {
        node.name: onnx.helper.get_node_attr_value(node, "approximate")
        for node in model.graph.node
        if node.op_type == "Gelu"
    }
    for precision, exporter in _EXPORTERS.items():
        if precision not in precisions:
            continue
        if precision is Precision.FP8:
            model = _in_onnx_operators(exporter.compress_weights(model))
        else:
            model = as_modelopt_exports(model, precision)
    for node in model.graph.node:
        if node.name in approximations:
            next(a for a in node.attribute if a.name == "approximate").s = approximations[node.name]
    return model


def _in_onnx_operators(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace TensorRT's FP8 operators per tensor by ONNX's own, which shape inference and runtimes know."""
    for node in model.graph.node:
        if node.op_type == "TRT_FP8QuantizeLinear":
            zero_point = numpy_helper.from_array(
                np.array(0, ml_dtypes.float8_e4m3fn), f"{node.name}_zero_point"
            )
            model.graph.initializer.append(zero_point)
            node.input.append(zero_point.name)
        if node.op_type in _ONNX_OPERATORS:
            node.op_type, node.domain = _ONNX_OPERATORS[node.op_type], ""
    return model


def as_modelopt_exports(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """Apply all that ModelOpt's exporter for ``precision`` does."""
    if precision is Precision.MXFP8:
        _widen_weights(model)
    _state_types(model)
    with _fast_fp4():
        exported: onnx.ModelProto = _EXPORTERS[precision].process_model(model)
    return exported


@contextmanager
def _fast_fp4() -> Iterator[None]:
    """Let ModelOpt round weights to FP4 by ``fp4_pairs``; its own function takes six times as long."""
    original = nvfp4_exporter._cast_fp4
    nvfp4_exporter._cast_fp4 = fp4_pairs
    try:
        yield
    finally:
        nvfp4_exporter._cast_fp4 = original


def fp4_pairs(weights: np.ndarray) -> np.ndarray:
    """Round float32 ``(2 M, ...)`` to E2M1, packed as ``(M, ...)``: the first of a pair in the low bits."""
    codes = (weights + 0.0).astype(ml_dtypes.float4_e2m1fn).view(np.uint8).reshape(-1, 2)  # -0 becomes 0
    packed: np.ndarray = (codes[:, 0] | codes[:, 1] << 4).reshape(-1, *weights.shape[1:])
    return packed


def _widen_weights(model: onnx.ModelProto) -> None:
    """Give the exporter float32: it computes the power-of-two scales in the type of the weights.

    In FP16 most of them would come from subnormal numbers, which have only a few bits.
    """
    weights = {node.input[0] for node in model.graph.node if node.op_type == "TRT_MXFP8DequantizeLinear"}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))


def _state_types(model: onnx.ModelProto) -> None:
    """State the types that exporters look up: of placeholders for FP4 weights, and of what softmax gives.

    A quantizer that is put behind a softmax of unknown type gets float32 scales, which FP16 does not go with.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "TRT_FP4QDQ":
            _state_type(model, node.output[0], TensorProto.FLOAT, weights[node.input[0]].dims)
        elif node.op_type == "Softmax":
            _state_type(model, node.output[0], TensorProto.FLOAT16, None)


def _state_type(model: onnx.ModelProto, name: str, element_type: int, shape: Sequence[int] | None) -> None:
    model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, element_type, shape))
