"""The last LayerNorm on the class token alone.

timm normalises all tokens and then takes the class token. The compiler splits that LayerNorm in two kernels
with every token in FP32 between them. Taken first, the class token gives the same numbers.
"""

import onnx_ir as ir

from trtbench.export.passes.graph import constant, only_user


def run(model: ir.Model) -> int:
    """Swap every LayerNorm with the choice of one token behind it; return how many."""
    norms = [node for node in model.graph if node.op_type == "LayerNormalization"]
    return sum(_swap(model.graph, norm) for norm in norms)


def _swap(graph: ir.Graph, norm: ir.Node) -> bool:
    tokens, normalized = norm.inputs[0], norm.outputs[0]
    take = only_user(normalized, "Gather")
    index = None if take is None else constant(take.inputs[1])
    if take is None or tokens is None or tokens.shape is None or index is None or index.ndim:
        return False
    last = len(tokens.shape) - 1
    if take.attributes.get_int("axis", 0) != 1 or norm.attributes.get_int("axis", -1) not in (-1, last):
        return False
    # The Gather moves in front and the LayerNorm takes its place, so that names behind them stay.
    token = ir.node("Gather", [tokens, take.inputs[1]], attributes=take.attributes, name=take.name)
    token.outputs[0].name = f"{take.name}_first_output_0"
    single = ir.node("LayerNormalization", [token.outputs[0], *norm.inputs[1:]], attributes=norm.attributes)
    single.name, single.outputs[0].name = norm.name, f"{norm.name}_single_output_0"
    graph.insert_before(norm, token)
    graph.insert_before(norm, single)
    _replace(take.outputs[0], single.outputs[0])
    return True


def _replace(old: ir.Value, new: ir.Value) -> None:
    """Read ``new`` instead; where ``old`` is what the graph gives, its name and type go on."""
    is_output, name = old.is_graph_output(), old.name
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    if is_output:
        old.name = f"{name}_of_all_tokens"
        new.name, new.shape, new.type = name, old.shape, old.type
