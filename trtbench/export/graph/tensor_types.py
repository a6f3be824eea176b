"""One concern: the graph states type and shape of every tensor that a node gives."""

import onnx
import onnx_ir
from onnx_ir.passes import common

from trtbench.export.graph.trt_operators import known_to_onnx


def with_tensor_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """Infer them anew, through TensorRT's operators too; weights state their own and are left out."""
    del model.graph.value_info[:]
    ir_model = onnx_ir.from_proto(model)
    with known_to_onnx():
        common.ShapeInferencePass(data_prop=True)(ir_model)
    typed = onnx_ir.to_proto(ir_model)
    given = {name for node in typed.graph.node for name in node.output}
    kept = [value.SerializeToString() for value in typed.graph.value_info if value.name in given]
    del typed.graph.value_info[:]
    typed.graph.value_info.extend(onnx.ValueInfoProto.FromString(value) for value in kept)
    return typed
