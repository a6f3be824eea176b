"""The pass that makes three products of one, on graphs of a few nodes."""

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from trtbench.export.passes import split_qkv

BATCH, TOKENS, WIDTH = 2, 5, 8


def fused(
    parts: int = 3, heads: int = 2, perm: tuple[int, ...] = (2, 0, 3, 1, 4), bias: bool = True
) -> onnx.ModelProto:
    """Q, K and V of one product, as timm computes them, with weights that are all different."""
    size = WIDTH // heads
    weight = np.arange(WIDTH * parts * WIDTH, dtype=np.float32).reshape(WIDTH, parts * WIDTH) / 97
    shape = (BATCH, TOKENS, parts, heads, size)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], "/attn/qkv/MatMul"),
        helper.make_node("Add", ["product", "b"], ["biased"], "/attn/qkv/Add"),
        helper.make_node("Reshape", ["biased" if bias else "product", "shape"], ["five"], "/attn/Reshape"),
        helper.make_node("Transpose", ["five"], ["moved"], "/attn/Transpose", perm=perm),
        helper.make_node(
            "Split", ["moved"], [f"s{i}" for i in range(parts)], "/attn/Split", num_outputs=parts
        ),
        *(
            node
            for i in range(parts)
            for node in (
                helper.make_node("Squeeze", [f"s{i}", "zero"], [f"p{i}"], f"/attn/Squeeze{i}"),
                helper.make_node("Neg", [f"p{i}"], [f"o{i}"], f"/attn/Neg{i}"),
            )
        ),
    ]
    moved = [shape[axis] for axis in perm]
    graph = helper.make_graph(
        [node for node in nodes if bias or node.op_type != "Add"],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (BATCH, TOKENS, WIDTH))],
        [helper.make_tensor_value_info(f"o{i}", TensorProto.FLOAT, moved[1:]) for i in range(parts)],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(np.arange(parts * WIDTH, dtype=np.float32), "b"),
            numpy_helper.from_array(np.array(shape, np.int64), "shape"),
            numpy_helper.from_array(np.zeros(1, np.int64), "zero"),
        ],
        value_info=[helper.make_tensor_value_info("five", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def computed(model: onnx.ModelProto) -> list[npt.NDArray[np.float32]]:
    images = np.random.default_rng(0).normal(size=(BATCH, TOKENS, WIDTH)).astype(np.float32)
    return list(ReferenceEvaluator(model).run(None, {"x": images}))


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_three_products_compute_what_one_did(heads: int, bias: bool) -> None:
    model = fused(heads=heads, bias=bias)
    graph = ir.from_proto(model)
    assert split_qkv.run(graph) == 1
    names = [node.name for node in graph.graph if node.op_type == "MatMul"]
    assert {f"/attn/{part}/MatMul" for part in "qkv"} < set(names)
    for before, after in zip(computed(model), computed(ir.to_proto(graph)), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [fused(parts=4), fused(parts=2), fused(perm=(2, 0, 1, 3, 4))],
    ids=["four-parts", "two-parts", "other-order"],
)
def test_what_is_no_q_k_and_v_stays(model: onnx.ModelProto) -> None:
    graph = ir.from_proto(model)
    assert split_qkv.run(graph) == 0
    assert [node.name for node in graph.graph] == [node.name for node in model.graph.node]
