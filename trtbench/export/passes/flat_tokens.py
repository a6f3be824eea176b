"""NVFP4 products of all tokens of the batch in one matrix.

Behind a dynamic quantiser of ``(B, N, K)`` the compiler pads the scales to whole tiles in one kernel and
arranges them in another, also where there is nothing to pad. Of ``(B * N, K)`` it makes one kernel fewer, and
none where the rows are a multiple of 128.
"""

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import add_node, initializer, only_user, static_shape
from trtbench.export.passes.nvfp4_quantizer import Quantizer, quantizers


def run(model: ir.Model) -> int:
    """Flatten the input of every dynamic quantiser whose numbers go to products alone; return how many."""
    return sum(_flatten(model.graph, quantizer) for quantizer in quantizers(model.graph))


def _flatten(graph: ir.Graph, quantizer: Quantizer) -> bool:
    shape, products = static_shape(quantizer.x), _products(quantizer)
    if shape is None or len(shape) != 3 or not products:
        return False
    batch, tokens, width = shape
    rows = initializer(graph, f"{quantizer.path}/rows", np.array((batch * tokens, width), np.int64))
    flat = add_node(quantizer.node, quantizer.path, "Reshape", [quantizer.x, rows], "Input/Reshape")
    quantizer.node.replace_input_with(0, flat)
    for product in products:
        _restore_tokens(graph, product, (batch, tokens, -1))
    for value in (*quantizer.node.outputs, quantizer.step.outputs[0]):
        value.shape = None  # of three dimensions; whoever needs it infers it anew
    return True


def _products(quantizer: Quantizer) -> list[ir.Node]:
    """The products that read the dequantised numbers; none if anything else does."""
    value = quantizer.node.outputs[0]
    while (node := only_user(value, "DequantizeLinear", "Cast")) is not None:
        value = node.outputs[0]
    users = value.consumers()
    are_products = all(user.op_type == "MatMul" and user.inputs[0] is value for user in users)
    return list(users) if are_products and not value.is_graph_output() else []


def _restore_tokens(graph: ir.Graph, product: ir.Node, shape: tuple[int, ...]) -> None:
    result = product.outputs[0]
    users = list(result.uses())
    target = initializer(graph, f"{product.name}/tokens", np.array(shape, np.int64))
    restore = ir.node("Reshape", [result, target], name=f"{product.name}/Reshape")
    restore.outputs[0].name = f"{product.name}_tokens_output_0"
    restore.outputs[0].shape, result.shape = result.shape, None
    restore.outputs[0].type = result.type
    graph.insert_after(product, restore)
    for user, index in users:
        user.replace_input_with(index, restore.outputs[0])
