"""The passes on small graphs, and what is counted and written."""

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

from trtbench.errors import ExportError
from trtbench.export.graph import write
from trtbench.export.graph.interface import with_interface
from trtbench.export.graph.names import with_module_names
from trtbench.export.graph.opset import with_sufficient_opset
from trtbench.export.graph.sparse_weights import count_sparsity
from trtbench.export.graph.standard_domains import with_standard_domains
from trtbench.export.graph.trt_operators import known_to_onnx
from trtbench.export.graph.write import write_model
from trtbench.specs.recipe import parse_recipe

pytest.importorskip("onnxscript")

from trtbench.export.graph.static_batch import with_static_batch


def model_of(
    nodes: list[NodeProto],
    initializers: dict[str, NDArray[np.generic]],
    shape: tuple[int | str, ...] = (2, 8),
    opset: int = 20,
) -> ModelProto:
    """From ``x`` to ``y``, of the same rank, in float32."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"y{i}" for i in range(len(shape))])],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("trt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


HEADS_AND_CLASS = """
<ir_version: 9, opset_import: ["" : 20]>
traced (float[batch, 6, 8] x) => (float[n, t, c] y)
<float[1, 1, 8] token = {1, 2, 3, 4, 5, 6, 7, 8}, int64[1] m1 = {-1}, int64[1] zero = {0}, int64 i0 = {0},
 int64[1] two = {2}, int64[1] four = {4}, int64[1] six = {6}, int64[1] eight = {8},
 int64[3] want = {-1,-1,-1}>
{
  shape = Shape(x)
  b = Gather<axis = 0>(shape, i0)
  b1 = Unsqueeze(b, zero)
  heads_shape = Concat<axis = 0>(b1, six, two, four)
  heads = Reshape(x, heads_shape)
  moved = Transpose<perm = [0, 2, 1, 3]>(heads)
  back = Transpose<perm = [0, 2, 1, 3]>(moved)
  flat_shape = Concat<axis = 0>(b1, m1, eight)
  flat = Reshape(back, flat_shape)
  token_shape = Concat<axis = 0>(b1, m1, m1)
  rank = Shape(token_shape)
  ones = ConstantOfShape<value = int64[1] {1}>(rank)
  minus_ones = Mul(ones, want)
  kept = Equal(token_shape, minus_ones)
  expanded = Where(kept, ones, token_shape)
  tokens = Expand(token, expanded)
  y = Concat<axis = 1>(tokens, flat)
}
"""


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_static_batch_computes_shapes_and_keeps_the_function(batch: int) -> None:
    traced = parser.parse_model(HEADS_AND_CLASS)
    for node in traced.graph.node:
        node.name = f"/{node.output[0]}/{node.op_type}"
    x = np.random.default_rng(0).normal(size=(batch, 6, 8)).astype(np.float32)
    expected = ReferenceEvaluator(traced).run(None, {"x": x})[0]
    static = with_static_batch(traced, batch)
    assert [node.op_type for node in static.graph.node] == [
        "Reshape",
        "Transpose",
        "Transpose",
        "Reshape",
        "Expand",
        "Concat",
    ]
    assert [node.name for node in static.graph.node][:2] == ["/heads/Reshape", "/moved/Transpose"]
    onnx.checker.check_model(static, full_check=True)
    dims = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*static.graph.input, *static.graph.output, *static.graph.value_info)
    }
    assert dims["x"] == [batch, 6, 8]
    assert dims["y"] == [batch, 7, 8]
    assert dims["moved"] == [batch, 2, 6, 4]
    np.testing.assert_array_equal(ReferenceEvaluator(static).run(None, {"x": x})[0], expected)


def nvfp4_linear(named: bool) -> ModelProto:
    """One Linear layer with the nodes, names and missing names that ModelOpt's NVFP4 exporter gives."""
    blocks = {"axis": -1, "block_size": 16}
    quantize = helper.make_node(
        "TRT_FP4DynamicQuantize",
        ["x", "xs"],
        ["x4", "x8"],
        "/fc/input_quantizer/TRT_FP4DynamicQuantize",
        domain="trt",
        **blocks,
    )
    nodes = [
        quantize,
        helper.make_node("DequantizeLinear", ["x8", "xs"], ["s"], "/fc/input_quantizer/DequantizeLinear"),
        helper.make_node(
            "DequantizeLinear", ["x4", "s"], ["x32"], "/fc/input_quantizer/DequantizeLinear_1", **blocks
        ),
        helper.make_node("Cast", ["x32"], ["x16"], to=TensorProto.FLOAT16),
        helper.make_node("DequantizeLinear", ["fc.weight_f8", "ws"], ["t"], "fc.weight_DequantizeLinear"),
        helper.make_node(
            "DequantizeLinear", ["fc.weight_f4", "t"], ["w"], "fc.weight_DequantizeLinear_1", **blocks
        ),
        helper.make_node("Transpose", ["w"], ["wt"], "/fc/Transpose", perm=[1, 0]),
        helper.make_node("Cast", ["wt"], ["w16"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["x16", "w16"], ["y16"], "/fc/MatMul"),
        helper.make_node("Cast", ["y16"], ["y"], "/fc/Cast", to=TensorProto.FLOAT),
    ]
    weight = np.tile(np.array([1, 0, 0, -2], ml_dtypes.float4_e2m1fn), (8, 8))
    model = model_of(
        nodes,
        {
            "fc.weight_f4": weight,
            "fc.weight_f8": np.ones((8, 2), ml_dtypes.float8_e4m3fn),
            "xs": np.array(0.1, np.float32),
            "ws": np.array(1, np.float32),
        },
        shape=("batch", 6, 32),
        opset=23,
    )
    for name in ("fc.weight_f4", "fc.weight_f8"):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return with_module_names(model) if named else model


def test_shapes_are_known_through_the_operators_of_tensorrt() -> None:
    static = with_static_batch(with_interface(nvfp4_linear(named=False), "images", ["logits"]), 5)
    types = {value.name: value.type.tensor_type for value in static.graph.value_info}
    dims = {name: [dim.dim_value for dim in tensor.shape.dim] for name, tensor in types.items()}
    assert (types["x4"].elem_type, dims["x4"]) == (TensorProto.FLOAT4E2M1, [5, 6, 32])
    assert (types["x8"].elem_type, dims["x8"]) == (TensorProto.FLOAT8E4M3FN, [5, 6, 2])
    assert (types["x32"].elem_type, dims["x32"]) == (TensorProto.FLOAT, [5, 6, 32])
    assert dims["y16"] == [5, 6, 8]
    assert [dim.dim_value for dim in static.graph.output[0].type.tensor_type.shape.dim] == [5, 6, 8]


def test_the_registry_of_onnx_is_left_as_it_was() -> None:
    for _ in range(2):
        with known_to_onnx():
            assert onnx.defs.has("TRT_FP4DynamicQuantize", domain="trt")
        assert not onnx.defs.has("TRT_FP4DynamicQuantize", domain="trt")


def test_the_graph_has_the_promised_ends_and_no_weights_among_its_inputs() -> None:
    model = with_interface(nvfp4_linear(named=False), "images", ["logits"])
    assert [value.name for value in model.graph.input] == ["images"]
    assert [value.name for value in model.graph.output] == ["logits"]
    assert model.graph.node[0].input[0] == "images"
    assert model.graph.node[-1].output[0] == "logits"


def test_every_node_is_named_under_its_module() -> None:
    names = [node.name for node in nvfp4_linear(named=True).graph.node]
    assert names == [
        "/fc/input_quantizer/TRT_FP4DynamicQuantize",
        "/fc/input_quantizer/DequantizeLinear",
        "/fc/input_quantizer/DequantizeLinear_1",
        "/fc/input_quantizer/Cast",
        "/fc/weight_quantizer/DequantizeLinear_1",
        "/fc/weight_quantizer/DequantizeLinear",
        "/fc/Transpose",
        "/fc/weight_quantizer/Cast",
        "/fc/MatMul",
        "/fc/Cast",
    ]


def test_transposed_weights_are_named_after_their_product() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "onnx::MatMul_12"], ["h"], "/blocks.0/fc1/MatMul"),
        helper.make_node("MatMul", ["h", "onnx::MatMul_13"], ["y"], "/blocks.0/fc2/MatMul"),
    ]
    eye = np.eye(8, dtype=np.float32)
    model = with_module_names(model_of(nodes, {"onnx::MatMul_12": eye, "onnx::MatMul_13": 2 * eye}))
    assert [tensor.name for tensor in model.graph.initializer] == [
        "/blocks.0/fc1/weight",
        "/blocks.0/fc2/weight",
    ]
    onnx.checker.check_model(model)


def test_renamed_quantizers_are_standard_operators() -> None:
    fp8 = np.zeros((1,), ml_dtypes.float8_e4m3fn)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "/q", domain="trt", saturate=1),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"], "/dq", domain="trt"),
    ]
    model = with_standard_domains(model_of(nodes, {"s": np.array(0.5, np.float32), "z": fp8}))
    assert {node.domain for node in model.graph.node} == {""}
    onnx.checker.check_model(model, full_check=True)
    x = np.array([[0.3, 1.1, 500, -0.26, 0, 1, 2, 3]] * 2, np.float32)
    got = ReferenceEvaluator(model).run(None, {"x": x})[0]
    encoded = np.clip(x / 0.5, -448, 448).astype(ml_dtypes.float8_e4m3fn)
    np.testing.assert_array_equal(got, encoded.astype(np.float32) * 0.5)


@pytest.mark.parametrize(("recipe", "opset"), [("fp16", 20), ("bf16", 22), ("int8", 20), ("int8@stock", 23)])
def test_the_opset_is_raised_only_where_types_need_it(recipe: str, opset: int) -> None:
    model = with_sufficient_opset(
        model_of([helper.make_node("Relu", ["x"], ["y"], "/act/Relu")], {}), parse_recipe(recipe)
    )
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == opset
    assert [(node.op_type, node.name) for node in model.graph.node] == [("Relu", "/act/Relu")]


# Eight weights along K, for two columns N: the first has 2 zeros in each group of 4, the second 1 and 3.
K_MAJOR = np.array([[1, 0, 2, 0, 0, 3, 0, 4], [1, 2, 3, 0, 0, 0, 0, 5]], np.float32)


@pytest.mark.parametrize(
    "dtype",
    [np.float32, np.float16, ml_dtypes.bfloat16, np.int8, ml_dtypes.float8_e4m3fn, ml_dtypes.float4_e2m1fn],
    ids=str,
)
@pytest.mark.parametrize("layout", ["product takes (K, N)", "transposed node", "Gemm with transB", "Gemm"])
def test_sparsity_is_counted_along_k_in_every_type_and_layout(dtype: type, layout: str) -> None:
    transposed = layout in ("transposed node", "Gemm with transB")
    weight = (K_MAJOR if transposed else K_MAJOR.T).astype(dtype)
    operand = "w"
    nodes = []
    if dtype not in (np.float32, np.float16, ml_dtypes.bfloat16):
        nodes.append(helper.make_node("DequantizeLinear", ["w", "s"], ["dq"]))
        operand = "dq"
    if layout == "transposed node":
        nodes += [
            helper.make_node("Transpose", [operand], ["wt"], perm=[1, 0]),
            helper.make_node("Cast", ["wt"], ["wc"], to=TensorProto.FLOAT),
        ]
        operand = "wc"
    product = "Gemm" if "Gemm" in layout else "MatMul"
    attributes = {"transB": 1} if "transB" in layout else {}
    nodes.append(helper.make_node(product, ["x", operand], ["y"], **attributes))
    record = count_sparsity(model_of(nodes, {"w": weight, "s": np.array(1, np.float32)}), "sparse_magnitude")
    assert (record.layers, record.weights, record.zeros) == (1, 16, 8)
    assert (record.groups, record.compliant_groups) == (4, 3)


def test_only_products_with_constant_weights_count_and_each_weight_once() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["x", "w"], ["b"]),
        helper.make_node("Transpose", ["b"], ["bt"], perm=[1, 0]),
        helper.make_node("MatMul", ["a", "bt"], ["c"]),
        helper.make_node("Add", ["c", "other"], ["y"]),
    ]
    weights = {"w": np.zeros((8, 4), np.float32), "other": np.zeros((2, 2), np.float32)}
    record = count_sparsity(model_of(nodes, weights), "sparsegpt")
    assert (record.layers, record.weights, record.groups) == (1, 32, 8)


def test_a_k_that_is_not_divisible_by_four_ends_in_a_shorter_group() -> None:
    weight = np.array([[0], [0], [1], [1], [5], [0]], np.float32)  # groups 0 0 1 1 and 5 0
    model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight}, shape=(2, 6))
    record = count_sparsity(model, "sparse_magnitude")
    assert (record.groups, record.compliant_groups, record.zeros) == (2, 2, 3)


def linear(weight: NDArray[np.generic]) -> ModelProto:
    return model_of([helper.make_node("MatMul", ["x", "w"], ["y"], "/fc/MatMul")], {"w": weight})


def test_weights_beyond_the_limit_of_protobuf_go_into_one_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = linear(np.arange(8 * 1000, dtype=np.float32).reshape(8, 1000))
    (small,) = write_model(model, tmp_path)
    assert small.name == "model.onnx"
    monkeypatch.setattr(write, "_PROTOBUF_LIMIT_BYTES", 10_000)
    large = tmp_path / "large"
    large.mkdir()
    paths = write_model(model, large)
    assert [path.name for path in paths] == ["model.onnx", "model.onnx.data"]
    assert paths[0].stat().st_size < 1000
    assert sorted(large.iterdir()) == sorted(paths)
    loaded = numpy_helper.to_array(onnx.load(paths[0]).graph.initializer[0])
    np.testing.assert_array_equal(loaded, np.arange(8 * 1000).reshape(8, 1000))


def test_a_graph_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="not valid ONNX"):
        write_model(linear(np.zeros((5, 3), np.float32)), tmp_path)
    with pytest.raises(ExportError, match="not valid ONNX"):
        write_model(linear(np.zeros((8, 3), np.float16)), tmp_path)
