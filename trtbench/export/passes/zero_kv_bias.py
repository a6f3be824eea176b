"""No addition of zeros to K and V.

``fold_kv_bias`` leaves zeros, and some models have no bias on K to begin with. The compiler keeps their
addition: a kernel that reads and writes the whole tensor.
"""

import onnx_ir as ir

from trtbench.export.passes.graph import constant, other_input


def run(model: ir.Model) -> int:
    """Take out every such addition; return how many."""
    zeros = [(node, bias) for node in model.graph if (bias := _zero_bias(node)) is not None]
    for node, bias in zeros:
        ir.convenience.replace_all_uses_with(node.outputs[0], other_input(node, bias))
    return len(zeros)


def _zero_bias(node: ir.Node) -> ir.Value | None:
    if node.op_type != "Add" or not (node.name or "").endswith(("/attn/k/Add", "/attn/v/Add")):
        return None
    for operand in node.inputs:
        array = constant(operand)
        if array is not None and not array.any():
            return operand
    return None
