"""NVFP4 products of all tokens of the batch in one matrix, with what acts on each row alone.

Behind a dynamic quantiser of ``(B, N, K)`` the compiler pads the scales to whole tiles in one kernel and
arranges them in another, also where there is nothing to pad. Of ``(B * N, K)`` it makes one kernel fewer, and
none where the rows are a multiple of 128. Bias and GELU stay between two such products: with three dimensions
the compiler may want the tokens in another order there, and write the widest tensor of a block once more.
"""

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import (
    add_node,
    constant,
    initializer,
    only_user,
    other_input,
    producer,
    static_shape,
)
from trtbench.export.passes.nvfp4_quantizer import Quantizer, quantizers


def run(model: ir.Model) -> int:
    """Flatten the input of every dynamic quantiser whose numbers go to products alone; return how many."""
    return sum(_flatten(model.graph, quantizer) for quantizer in quantizers(model.graph))


def _flatten(graph: ir.Graph, quantizer: Quantizer) -> bool:
    x, products = quantizer.node.inputs[0], _products(quantizer)  # x may have been restored since
    shape = None if x is None else static_shape(x)
    if x is None or shape is None or len(shape) != 3 or not products:
        return False
    batch, tokens, width = shape
    _flatten_input(graph, quantizer, x, (batch * tokens, width))
    for product in products:
        _restore_tokens(graph, product, (batch, tokens))
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


def _flatten_input(graph: ir.Graph, quantizer: Quantizer, x: ir.Value, shape: tuple[int, int]) -> None:
    """Quantise ``shape``: what the tokens were just restored from, or a Reshape of them."""
    restore = producer(x, "Reshape")
    flat = None if restore is None else restore.inputs[0]
    if restore is not None and flat is not None and static_shape(flat) == shape and only_user(x) is not None:
        quantizer.node.replace_input_with(0, flat)
        graph.remove(restore, safe=True)
        return
    rows = initializer(graph, f"{quantizer.path}/rows", np.array(shape, np.int64))
    flat = add_node(quantizer.node, quantizer.path, "Reshape", [x, rows], "Input/Reshape")
    quantizer.node.replace_input_with(0, flat)


def _restore_tokens(graph: ir.Graph, product: ir.Node, shape: tuple[int, int]) -> None:
    """Restore batch and tokens (``shape``) behind a product and the bias and GELU that follow it."""
    rows = [product]
    while (following := only_user(rows[-1].outputs[0], "Add", "Gelu")) and _acts_on_rows(following, rows[-1]):
        rows.append(following)
    result = rows[-1].outputs[0]
    users = list(result.uses())
    target = initializer(graph, f"{product.name}/tokens", np.array((*shape, -1), np.int64))
    restore = ir.node("Reshape", [result, target], name=f"{product.name}/Reshape")
    restore.outputs[0].name = f"{product.name}_tokens_output_0"
    restore.outputs[0].shape, restore.outputs[0].type = result.shape, result.type
    for node in rows:
        known = static_shape(node.outputs[0])
        node.outputs[0].shape = None if known is None else ir.Shape((shape[0] * shape[1], known[-1]))
    graph.insert_after(rows[-1], restore)
    for user, index in users:
        user.replace_input_with(index, restore.outputs[0])


def _acts_on_rows(node: ir.Node, before: ir.Node) -> bool:
    """Whether ``node`` is GELU, or adds the same to every row of what ``before`` computes."""
    if node.op_type == "Gelu":
        return True
    operand = constant(other_input(node, before.outputs[0]))
    return operand is not None and operand.ndim <= 1
