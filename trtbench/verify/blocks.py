"""Where the residual stream leaves each transformer block."""

from trtbench.verify.standard_graph import StandardGraph
from trtbench.vit import block_of


def block_outputs(graph: StandardGraph) -> dict[int, str]:
    """Output tensor of each block: the one computed last of those that the model gives or a node
    outside the block reads.
    """
    block_by_tensor = {
        tensor: block
        for node in graph.nodes
        if (block := block_of(node.name)) is not None
        for tensor in node.output
    }
    order = {tensor: index for index, tensor in enumerate(block_by_tensor)}
    outputs = {block: name for name in graph.output_names if (block := block_by_tensor.get(name)) is not None}
    for node in graph.nodes:
        for tensor in node.input:
            block = block_by_tensor.get(tensor)
            if block is None or block == block_of(node.name):
                continue
            if block not in outputs or order[tensor] > order[outputs[block]]:
                outputs[block] = tensor
    return dict(sorted(outputs.items()))
