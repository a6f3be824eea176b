"""One concern: standard operators are in ONNX's own domain."""

import onnx

_STANDARD = frozenset({"QuantizeLinear", "DequantizeLinear"})


def with_standard_domains(model: onnx.ModelProto) -> onnx.ModelProto:
    """Move quantizers that ModelOpt renames from TensorRT's operators, but leaves in TensorRT's domain.

    Only so can ONNX's checker and shape inference, and other runtimes, read them. Their zero point must have
    the shape of the scale, which it has not for FP8 activations.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in _STANDARD:
            node.domain = ""
            if len(node.input) == 3 and node.input[1] in initializers and node.input[2] in initializers:
                scale, zero_point = initializers[node.input[1]], initializers[node.input[2]]
                if len(zero_point.dims) != len(scale.dims) and list(zero_point.dims) == [1]:
                    del zero_point.dims[:]
    return model
