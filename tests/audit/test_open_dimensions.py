"""Dimensions that an engine with an optimization profile leaves open."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbench.audit import audit_engine
from trtbench.audit.graph import Graph, read_graph
from trtbench.audit.kernels import graph_facts
from trtbench.audit.onnx_layers import audit_products
from trtbench.audit.open_dimensions import at_shapes, is_open
from trtbench.results import CompiledLayer, LayerTensor

Dimensions = tuple[int, ...]


def tensor(name: str, *dimensions: int) -> LayerTensor:
    return LayerTensor(name=name, dimensions=dimensions, strides=(), dtype="Half", format="Linear")


def kernel(
    inputs: list[LayerTensor],
    outputs: list[LayerTensor],
    node: str = "",
    name: str = "__myl_AddTran_myl0_1",
    kind: str = "kgen",
) -> CompiledLayer:
    return CompiledLayer(
        name=name,
        layer_type=kind,
        tactic_name="",
        stream_id=0,
        inputs=tuple(inputs),
        constants=(),
        outputs=tuple(outputs),
        onnx_nodes=(node,) if node else (),
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two Linear layers of 64 and 192 outputs, of (N, 128, 64)."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="fc1"),
        helper.make_node("MatMul", ["h", "v"], ["y"], name="fc2"),
    ]
    weights = {"w": np.zeros((64, 64), np.float16), "v": np.zeros((64, 192), np.float16)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["N", 128, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["N", 128, 192])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def filled(model: Path, *kernels: CompiledLayer) -> list[tuple[list[Dimensions], list[Dimensions]]]:
    graph: Graph = read_graph(model, {"x": (8, 128, 64)})
    layers = at_shapes(kernels, graph, graph_facts(graph, audit_products(graph)))
    return [([t.dimensions for t in layer.inputs], [t.dimensions for t in layer.outputs]) for layer in layers]


def test_inputs_products_and_what_follows_have_their_sizes(model: Path) -> None:
    """Shapes as TensorRT-RTX 1.7.1 writes them: tokens folded into rows, heads apart, columns cut."""
    rows = 8 * 128
    assert filled(
        model,
        kernel([tensor("x", -1, 128, 64)], [tensor("q", -1, 128, 64)], name="__myl_Dyna_myl0_0"),
        kernel([tensor("q", -1, 64)], [tensor("h", -1, 64)], "fc1", "fc1", "gemm"),
        kernel([tensor("h", -1, 64)], [tensor("b", 3, -1, 64)], "fc2", "fc2", "gemm"),
        kernel([tensor("b", -1, 64)], [tensor("t", -1, 128, 16)]),
        kernel([tensor("t", -1, 128, 16)], [tensor("s", -1, 128, 1)], name="__myl_SlicConc_myl0_2"),
        kernel([tensor("s", -1, 1)], [tensor("y", -1, 192)]),
    ) == [
        ([(8, 128, 64)], [(8, 128, 64)]),
        ([(rows, 64)], [(rows, 64)]),
        ([(rows, 64)], [(3, rows, 64)]),
        ([(rows, 64)], [(8 * 4, 128, 16)]),
        ([(8 * 4, 128, 16)], [(8 * 4, 128, 1)]),
        ([(8 * 4 * 128, 1)], [(rows, 192)]),
    ]


def test_some_columns_of_a_result_have_its_rows(model: Path) -> None:
    assert filled(
        model,
        kernel([tensor("x", -1, 64)], [tensor("a", -1, 192)], "fc2", "fc2", "gemm"),
        kernel([tensor("a", -1, 64)], [tensor("b", -1, 64)]),
    )[1] == ([(1024, 64)], [(1024, 64)])


def test_a_product_reads_all_rows_of_a_transposed_tensor_or_one_part_of_three(model: Path) -> None:
    """Which of the two follows from the rows that the product has in the graph."""
    rows = 8 * 128
    assert filled(
        model,
        kernel([tensor("x", -1, 64)], [tensor("t", 128, -1, 64)]),
        kernel([tensor("t", -1, 64)], [tensor("p", 3, -1, 64)], "fc2", "fc2", "gemm"),
        kernel([tensor("p", -1, 64)], [tensor("q", -1, 64)], "fc1", "fc1", "gemm"),
    ) == [
        ([(rows, 64)], [(128, 8, 64)]),
        ([(rows, 64)], [(3, rows, 64)]),
        ([(rows, 64)], [(rows, 64)]),
    ]


def test_rows_follow_from_the_output_beside_them(model: Path) -> None:
    """A class token joins the patches: the input has fewer tokens than both outputs."""
    (found,) = filled(
        model,
        kernel(
            [tensor("x", -1, 64, 128)],
            [tensor("n", -1, 64), tensor("s", -1, 129, 64)],
            name="__myl_TranReplConcAddMul_myl0_0",
        ),
    )
    assert found[1] == [(8 * 129, 64), (8, 129, 64)]


def test_a_padded_tensor_is_rounded_up(model: Path) -> None:
    """Scales of blocks, in tiles of 128 rows."""
    assert filled(
        model,
        kernel([tensor("x", -1, 64)], [tensor("s", -1, 5, 32, 4, 4)], name="__myl_MoveConcReshMove_myl0_1"),
    )[0][1] == [(26, 5, 32, 4, 4)]


def test_a_tensor_with_two_unknown_dimensions_counts_no_bytes(model: Path) -> None:
    layers = (
        kernel([tensor("x", -1, 128, 64)], [tensor("z", -1, -1)], name="__myl_Gath_myl0_0"),
        kernel([tensor("x", -1, 64)], [tensor("y", -1, 192)], "fc2", "fc2", "gemm"),
    )
    assert is_open(layers)
    audit = audit_engine(model, layers, None, "rtx", None, shapes={"x": (8, 128, 64)})
    assert audit.layers[0].bytes == 2 * 8 * 128 * 64
    (finding,) = (each for each in audit.findings if each.code == "OPEN_DIMENSIONS")
    assert finding.numbers["unknown_tensors"] == 1


def test_static_layers_stay_as_they_are(model: Path) -> None:
    layers = (kernel([tensor("a", 4, 64)], [tensor("b", 4, 64)]),)
    assert not is_open(layers)
    assert filled(model, *layers) == [([(4, 64)], [(4, 64)])]
