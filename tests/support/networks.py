"""Small networks by hand, whose nodes are named as those of exported ViTs."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

BATCH, PIXELS, CLASSES = 4, 3 * 4 * 4, 10


def network(
    element_type: int, output: str = "logits", gain: float = 1.0, blocks: int = 2, classes: int = CLASSES
) -> onnx.ModelProto:
    """A residual network of blocks on images of 3 x 4 x 4, with a linear layer behind it."""
    rng = np.random.default_rng(0)
    dtype = helper.tensor_dtype_to_np_dtype(element_type)
    weights = [
        numpy_helper.from_array((rng.standard_normal((PIXELS, PIXELS)) / 8 * gain).astype(dtype), f"w{i}")
        for i in range(blocks)
    ]
    weights.append(numpy_helper.from_array(rng.standard_normal((PIXELS, classes)).astype(dtype), "head"))
    weights.append(numpy_helper.from_array(np.array([BATCH, PIXELS]), "flat"))
    nodes = [helper.make_node("Reshape", ["images", "flat"], ["r0"], name="/patch_embed/Reshape")]
    for i in range(blocks):
        path = f"/blocks/blocks.{i}"
        nodes.append(helper.make_node("MatMul", [f"r{i}", f"w{i}"], [f"m{i}"], name=f"{path}/mlp/MatMul"))
        nodes.append(helper.make_node("Add", [f"r{i}", f"m{i}"], [f"r{i + 1}"], name=f"{path}/Add_1"))
    nodes.append(helper.make_node("MatMul", [f"r{blocks}", "head"], [output], name="/head/MatMul"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", element_type, (BATCH, 3, 4, 4))],
        [helper.make_tensor_value_info(output, element_type, (BATCH, classes))],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
