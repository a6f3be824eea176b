"""One concern: the weights of a traced model, from FP16 to the type that is asked for."""

from collections.abc import Sequence

import numpy as np
import onnx
from modelopt.onnx.export import (
    FP8QuantExporter,
    INT8QuantExporter,
    MXFP8QuantExporter,
    NVFP4QuantExporter,
    ONNXQuantExporter,
)
from modelopt.torch.quantization.export_onnx import configure_linear_module_onnx_quantizers
from onnx import TensorProto, numpy_helper

from trtbench.recipes import Precision

emit_block_quantizers = configure_linear_module_onnx_quantizers
"""Context in which a model with block quantizers is traced: weights static, activations dynamic."""

_EXPORTERS: dict[Precision, type[ONNXQuantExporter]] = {
    Precision.INT8: INT8QuantExporter,
    Precision.FP8: FP8QuantExporter,
    Precision.MXFP8: MXFP8QuantExporter,
    Precision.NVFP4: NVFP4QuantExporter,
}


def with_quantized_weights(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """Let ModelOpt's exporter quantise the weights of the Linear layers and write them as quantised constants."""
    if precision is Precision.MXFP8:
        _widen_weights(model)
    _state_types(model)
    convolution_weights = _convolution_weights(model)
    quantized: onnx.ModelProto = _EXPORTERS[precision].process_model(model)
    _restore(quantized, convolution_weights)
    return quantized


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


def _convolution_weights(model: onnx.ModelProto) -> dict[str, TensorProto]:
    """Weights by the name of the node that takes them."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    return {
        node.name: TensorProto.FromString(initializers[node.input[1]].SerializeToString())
        for node in model.graph.node
        if node.op_type == "Conv"
    }


def _restore(model: onnx.ModelProto, convolution_weights: dict[str, TensorProto]) -> None:
    """Take back FP8 weights of convolutions, which ModelOpt adds although nobody asked for them.

    Their inputs are FP16, and so is the convolution that the compiler makes of it: accuracy is lost for nothing.
    """
    present = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        weight = convolution_weights.get(node.name)
        if weight is not None and node.input[1] != weight.name:
            node.input[1] = weight.name
            if weight.name not in present:
                model.graph.initializer.append(weight)
