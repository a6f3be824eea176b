from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from trtbench.audit import audit_onnx, einsum
from trtbench.audit.onnx_layers import _stored_bytes
from trtbench.results import Audit, AuditedLayer
from trtbench.specs.recipe import parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
OPSETS = {"": 23, "trt": 1, "com.microsoft": 1}
E4M3, E2M1 = TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT4E2M1


def audit_graph(
    tmp_path: Path, nodes: list[NodeProto], tensors: dict[str, Any], recipe: str | None = None
) -> Audit:
    """Audit nodes from the FP16 input ``x`` (2, 8, 64) to ``y``; tensors are arrays or (type, shape)."""
    initializers = [
        numpy_helper.from_array(value, name)
        if isinstance(value, np.ndarray)
        else TensorProto(name=name, data_type=value[0], dims=value[1], raw_data=b"\0")
        for name, value in tensors.items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [2, 8, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        initializers,
    )
    path = tmp_path / "m.onnx"
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
    return audit_onnx(path, parse_recipe(recipe) if recipe else None)


def only(audit: Audit) -> AuditedLayer:
    (layer,) = audit.layers
    return layer


def node(
    operator: str, inputs: str, outputs: str, name: str = "", domain: str = "", **attributes: Any
) -> NodeProto:
    return helper.make_node(
        operator, inputs.split(), outputs.split(), name=name or None, domain=domain or None, **attributes
    )


SCALE = np.ones((), np.float16)


def test_linear_in_fp16(tmp_path: Path) -> None:
    layer = only(
        audit_graph(tmp_path, [node("MatMul", "x w", "y", "fc1")], {"w": np.zeros((64, 32), np.float16)})
    )
    assert (layer.m, layer.n, layer.k, layer.flops) == (16, 32, 64, 2 * 16 * 32 * 64)
    assert (layer.precision_in, layer.precision_out) == ("fp16", "fp16")
    assert layer.bytes == 2 * (16 * 64 + 64 * 32 + 16 * 32)


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_reads_its_transposition(tmp_path: Path, transposed: int) -> None:
    nodes = [
        node("Flatten", "x", "flat", axis=2),
        node("Gemm", "flat w", "y", "head/Gemm", transB=transposed),
    ]
    shape = (32, 64) if transposed else (64, 32)
    layer = only(audit_graph(tmp_path, nodes, {"w": np.zeros(shape, np.float16)}))
    assert (layer.role, layer.m, layer.n, layer.k) == ("head", 16, 32, 64)


def test_convolution_counts_pixels_and_kernel(tmp_path: Path) -> None:
    nodes = [
        node("Reshape", "x shape", "image"),
        node("Conv", "image w", "y", "/patch_embed/proj/Conv", strides=[4, 4]),
    ]
    tensors = {"shape": np.array([2, 2, 16, 16]), "w": np.zeros((24, 2, 4, 4), np.float16)}
    layer = only(audit_graph(tmp_path, nodes, tensors))
    assert (layer.role, layer.op) == ("patch_embed", "conv")
    assert (layer.m, layer.n, layer.k) == (2 * 4 * 4, 24, 2 * 4 * 4)


def test_attention_operator(tmp_path: Path) -> None:
    nodes = [node("Attention", "x x x", "y", "attn", q_num_heads=4, kv_num_heads=4)]
    layer = only(audit_graph(tmp_path, nodes, {}))
    assert (layer.role, layer.op, layer.flops) == ("attention", "attention", 4 * 2 * 4 * 8 * 8 * 16)


def test_product_of_activations_without_a_name_is_attention(tmp_path: Path) -> None:
    nodes = [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t", "y", "MatMul_7")]
    assert only(audit_graph(tmp_path, nodes, {})).role == "attention"


def test_role_from_the_name_of_the_weight(tmp_path: Path) -> None:
    weight = "blocks.0.mlp.fc2.weight"
    nodes = [node("Transpose", weight, "t", perm=[1, 0]), node("MatMul", "x t", "y", "node_linear_5")]
    layer = only(audit_graph(tmp_path, nodes, {weight: np.zeros((32, 64), np.float16)}))
    assert layer.role == "fc2"


def test_linear_inside_attention_is_qkv(tmp_path: Path) -> None:
    """As BEiT writes it: F.linear with the weight of a module that is never called."""
    nodes = [node("MatMul", "x onnx::w", "y", "/blocks/blocks.0/attn/MatMul")]
    layer = only(audit_graph(tmp_path, nodes, {"onnx::w": np.zeros((64, 192), np.float16)}))
    assert layer.role == "qkv"


def test_unnamed_linear_is_other(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x onnx::w", "y")]
    layer = only(audit_graph(tmp_path, nodes, {"onnx::w": np.zeros((64, 32), np.float16)}))
    assert (layer.role, layer.name) == ("other", "node_of_y")


def test_fp8_with_the_operators_of_onnx(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x scale zero", "q"),
        node("DequantizeLinear", "q scale", "a"),
        node("DequantizeLinear", "w scale", "b"),
        node("MatMul", "a b", "y", "fc1"),
    ]
    tensors = {"scale": SCALE, "zero": (E4M3, ()), "w": (E4M3, (64, 32))}
    layer = only(audit_graph(tmp_path, nodes, tensors))
    assert (layer.precision_in, layer.precision_out) == ("fp8", "fp16")
    assert layer.bytes == 16 * 64 + 64 * 32 + 2 * 16 * 32


def test_scaling_behind_the_quantizer_does_not_hide_it(tmp_path: Path) -> None:
    nodes = [
        node("TRT_FP8QuantizeLinear", "x scale", "q", domain="trt"),
        node("TRT_FP8DequantizeLinear", "q scale", "a", domain="trt"),
        node("Mul", "a scale", "scaled"),
        node("TRT_FP8DequantizeLinear", "w scale", "b", domain="trt"),
        node("Transpose", "b", "bt", perm=[1, 0]),
        node("Cast", "bt", "bh", to=TensorProto.FLOAT16),
        node("MatMul", "scaled bh", "y", "fc1"),
    ]
    layer = only(audit_graph(tmp_path, nodes, {"scale": SCALE, "w": (E4M3, (32, 64))}))
    assert layer.precision_in == "fp8"


def test_an_operation_between_quantizer_and_product_does_hide_it(tmp_path: Path) -> None:
    nodes = [
        node("TRT_FP8QuantizeLinear", "x scale", "q", domain="trt"),
        node("TRT_FP8DequantizeLinear", "q scale", "a", domain="trt"),
        node("Relu", "a", "relu"),
        node("TRT_FP8DequantizeLinear", "w scale", "b", domain="trt"),
        node("MatMul", "relu b", "y", "fc1"),
    ]
    layer = only(audit_graph(tmp_path, nodes, {"scale": SCALE, "w": (E4M3, (64, 32))}))
    assert layer.precision_in == "fp16 x fp8"


def test_weight_only_quantization_is_recognised(tmp_path: Path) -> None:
    nodes = [
        node("DequantizeLinear", "w s", "b", axis=-1, block_size=16),
        node("Transpose", "b", "bt", perm=[1, 0]),
        node("MatMul", "x bt", "y", "blocks.0/attn/qkv/MatMul"),
    ]
    audit = audit_graph(tmp_path, nodes, {"w": (E2M1, (32, 64)), "s": np.ones((32, 4), np.float16)}, "nvfp4")
    assert only(audit).precision_in == "fp16 x fp4"
    assert audit.gemm_flops_share == {"fp16 x fp4": 1.0}
    (finding,) = audit.findings
    assert (finding.code, finding.severity, finding.numbers["products"]) == (
        "ONE_OPERAND_QUANTIZED",
        "warning",
        1,
    )


def test_layers_that_the_exporter_left_out_are_found(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", "x w", "h", "/blocks/blocks.0/mlp/fc1/MatMul"),
        node("MatMul", "h v", "y", "/head/MatMul"),
    ]
    tensors = {"w": np.zeros((64, 64), np.float16), "v": np.zeros((64, 64), np.float16)}
    findings = audit_graph(tmp_path, nodes, tensors, "fp8").findings
    assert [finding.code for finding in findings] == ["LINEAR_NOT_QUANTIZED", "HEAD_NOT_QUANTIZED"]
    assert findings[0].layers == ("/blocks/blocks.0/mlp/fc1/MatMul",)
    assert findings[0].numbers["linear_flops_share"] == 0.5


@pytest.mark.parametrize(
    ("name", "linear", "conv"),
    [
        ("fp16", "fp16", "fp16"),
        ("fp8_stock", "fp8", "fp16 x fp8"),
        ("mxfp8", "mxfp8", "fp16"),
        ("nvfp4_stock", "fp4", "fp16"),
    ],
)
def test_graphs_as_modelopt_exports_them(name: str, linear: str, conv: str) -> None:
    """ViT-Ti/16 of one block, batch 8, 197 tokens."""
    audit = audit_onnx(GOLDEN / f"{name}.onnx", parse_recipe(name.replace("_", "@")))
    sizes = {(layer.role, layer.m, layer.n, layer.k): layer.precision_in for layer in audit.layers}
    assert sizes.pop(("attention", 8 * 3 * 197, 197, 64)) == "fp16"
    assert sizes.pop(("attention", 8 * 3 * 197, 64, 197)) == ("fp8 x fp16" if name == "fp8_stock" else "fp16")
    assert sizes == {
        ("patch_embed", 8 * 196, 192, 768): conv,
        ("qkv", 8 * 197, 576, 192): linear,
        ("proj", 8 * 197, 192, 192): linear,
        ("fc1", 8 * 197, 768, 192): linear,
        ("fc2", 8 * 197, 192, 768): linear,
        ("head", 8, 1000, 192): linear,
    }
    assert audit.compiled_flops is None
    assert [role.role for role in audit.by_role] == [
        "patch_embed",
        "qkv",
        "attention",
        "proj",
        "fc1",
        "fc2",
        "head",
    ]
    assert all(role.compiled is None for role in audit.by_role)


def constant(name: str, value: Any) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


WEIGHT = np.zeros((64, 32), np.float16)
WIDE = np.zeros((64, 64), np.float16)
AXIS = {"zero": np.array([0]), "half": np.array([32]), "one": np.array([1])}


@pytest.mark.parametrize(
    ("nodes", "tensors"),
    [
        ([constant("w", WEIGHT)], {}),
        ([node("Slice", "wide zero half one", "w")], {"wide": WIDE, **AXIS}),
        ([node("Split", "wide", "w rest", axis=1, num_outputs=2)], {"wide": WIDE}),
        ([node("Add", "a b", "w")], {"a": WEIGHT, "b": WEIGHT}),
        ([constant("w8", np.zeros((64, 32), np.int8)), node("DequantizeLinear", "w8 scale", "w")], {}),
        ([node("Shape", "x", "s"), node("ConstantOfShape", "t", "w")], {"t": np.array([64, 32])}),
    ],
    ids=["node", "slice", "split", "sum", "quantized", "filled"],
)
def test_a_weight_however_it_is_computed_makes_a_linear_layer(
    nodes: list[NodeProto], tensors: dict[str, Any], tmp_path: Path
) -> None:
    graph = [*nodes, node("Cast", "w", "half_w", to=TensorProto.FLOAT16), node("MatMul", "x half_w", "y")]
    layer = only(audit_graph(tmp_path, graph, {**tensors, "scale": SCALE}))
    assert (layer.role, layer.n) == ("other", 32)


def test_role_from_the_weight_that_another_is_sliced_of(tmp_path: Path) -> None:
    nodes = [node("Slice", "blocks.3.mlp.fc1.weight zero half one", "w"), node("MatMul", "x w", "y")]
    layer = only(audit_graph(tmp_path, nodes, {"blocks.3.mlp.fc1.weight": WIDE, **AXIS}))
    assert layer.role == "fc1"


def test_random_numbers_are_no_weight(tmp_path: Path) -> None:
    nodes = [
        node("RandomNormal", "", "r", shape=[64, 32], dtype=TensorProto.FLOAT16),
        node("MatMul", "x r", "y"),
    ]
    assert only(audit_graph(tmp_path, nodes, {})).role == "attention"


def fp8_behind(moves: list[NodeProto], tmp_path: Path, **tensors: Any) -> AuditedLayer:
    """A product of FP8 weights and of an activation ``a`` in FP8, which ``moves`` make ``m``."""
    nodes = [
        node("QuantizeLinear", "x scale zero", "q"),
        node("DequantizeLinear", "q scale", "a"),
        *moves,
        node("DequantizeLinear", "w scale", "b"),
        node("MatMul", "m b", "y", "fc1"),
    ]
    return only(
        audit_graph(tmp_path, nodes, {"scale": SCALE, "zero": (E4M3, ()), "w": (E4M3, (64, 32)), **tensors})
    )


@pytest.mark.parametrize(
    "move",
    [
        node("Slice", "a from to at", "m"),
        node("Gather", "a index", "m", axis=1),
        node("Split", "a", "m rest", axis=1, num_outputs=2),
        node("Expand", "a shape", "m"),
        node("Tile", "a twice", "m"),
        node("Dropout", "a", "m"),
        node("Concat", "a a", "m", axis=1),
    ],
    ids=lambda move: str(move.op_type),
)
def test_what_only_moves_values_keeps_their_precision(move: NodeProto, tmp_path: Path) -> None:
    """In compiled layers all of these move FP8, in front of an FP8 product."""
    layer = fp8_behind(
        [move],
        tmp_path,
        **{"from": np.array([0]), "to": np.array([4]), "at": np.array([1]), "index": np.array(0)},
        shape=np.array([3, 2, 8, 64]),
        twice=np.array([1, 2, 1]),
    )
    assert layer.precision_in == "fp8"


@pytest.mark.parametrize(("second", "expected"), [(1.0, "fp8"), (2.0, "fp16 x fp8")])
def test_joined_parts_keep_their_precision_if_they_share_a_scale(
    second: float, expected: str, tmp_path: Path
) -> None:
    moves = [
        node("Tanh", "x", "tanh"),
        node("QuantizeLinear", "tanh scale2 zero", "q2"),
        node("DequantizeLinear", "q2 scale2", "a2"),
        node("Concat", "a a2", "m", axis=1),
    ]
    assert fp8_behind(moves, tmp_path, scale2=np.array(second, np.float16)).precision_in == expected


def test_padding_behind_the_quantizer_does_hide_it(tmp_path: Path) -> None:
    layer = fp8_behind([node("Pad", "a pads", "m")], tmp_path, pads=np.array([0, 0, 0, 0, 2, 0]))
    assert layer.precision_in == "fp16 x fp8"


@pytest.mark.parametrize(
    ("equation", "first", "second", "size"),
    [
        ("bnc,cd->bnd", (2, 8, 64), (64, 32), (16, 32, 64)),
        ("bhqd,bhkd->bhqk", (2, 3, 5, 16), (2, 3, 7, 16), (2 * 3 * 5, 7, 16)),
        ("...ij,...jk->...ik", (2, 8, 64), (64, 32), (16, 32, 64)),
        ("ij,jk", (8, 64), (64, 32), (8, 32, 64)),
        ("bhwc,hkc->bhwk", (2, 4, 4, 32), (4, 6, 32), (2 * 4 * 4, 6, 32)),
    ],
)
def test_size_of_an_einsum(
    equation: str, first: tuple[int, ...], second: tuple[int, ...], size: tuple[int, int, int]
) -> None:
    assert einsum.contracts(equation)
    assert einsum.extents(equation, first, second) == size


@pytest.mark.parametrize("equation", ["ij,ij->ij", "ii->i", "i,j->ij", "ij,jk,kl->il"])
def test_an_einsum_that_is_no_product_of_two(equation: str) -> None:
    assert not einsum.contracts(equation)


def test_products_of_other_operators_count(tmp_path: Path) -> None:
    nodes = [
        node("Einsum", "x w", "e", equation="bnc,cd->bnd"),
        node("DynamicQuantizeLinear", "x32", "q s z"),
        node("MatMulInteger", "q w8 z", "i"),
        node("QLinearMatMul", "q s z w8 s8 z8 s z", "l"),
        node("Cast", "x", "x32", to=TensorProto.FLOAT),
        node("Reshape", "e image", "e4"),
        node("ConvTranspose", "e4 kernel", "y", strides=[2, 2]),
    ]
    tensors = {
        "w": WEIGHT,
        "w8": np.zeros((64, 32), np.int8),
        "s8": np.ones((), np.float32),
        "z8": np.zeros((), np.int8),
        "image": np.array([2, 32, 2, 4]),
        "kernel": np.zeros((32, 5, 2, 2), np.float16),
    }
    audit = audit_graph(tmp_path, [nodes[4], *nodes[:4], *nodes[5:]], tensors)
    linear_flops = 2 * 16 * 64 * 32
    assert [(layer.op, layer.flops) for layer in audit.layers] == [
        *[("gemm", linear_flops)] * 3,
        ("conv", 2 * 2 * 2 * 4 * 32 * 5 * 4),
    ]
    assert [layer.precision_in for layer in audit.layers[1:3]] == ["uint8 x int8"] * 2


def test_products_of_functions_count_under_the_names_of_the_parser(tmp_path: Path) -> None:
    opset = [helper.make_opsetid("", 23), helper.make_opsetid("me", 1)]
    inner = helper.make_function("me", "Linear", ["a", "b"], ["c"], [node("MatMul", "a b", "c", "mm")], opset)
    calls = [node("Linear", "a b", "t", "first", "me"), node("Linear", "t b", "c", "", "me")]
    outer = helper.make_function("me", "Mlp", ["a", "b"], ["c"], calls, opset)
    graph = helper.make_graph(
        [node("Mlp", "x w", "y", "mlp", "me")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [2, 8, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        [numpy_helper.from_array(WIDE, "w")],
    )
    path = tmp_path / "m.onnx"
    model = helper.make_model(graph, opset_imports=opset, functions=[inner, outer])
    path.write_bytes(model.SerializeToString())
    layers = audit_onnx(path).layers
    assert [(layer.name, layer.flops) for layer in layers] == [
        ("mm | first (Linear) | mlp (Mlp)", 2 * 16 * 64 * 64),
        ("mm | node_of_c (Linear) | mlp (Mlp)", 2 * 16 * 64 * 64),
    ]


def test_what_is_not_counted_is_said(tmp_path: Path) -> None:
    body = helper.make_graph(
        [node("MatMul", "x w", "z", "inside")],
        "body",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT16, None)],
    )
    nodes = [
        node("If", "flag", "y", then_branch=body, else_branch=body),
        node("Attention", "x w", "a", "foreign", "com.microsoft"),
    ]
    (finding,) = audit_graph(tmp_path, nodes, {"w": WIDE, "flag": np.array(True)}).findings
    assert finding.code == "PRODUCTS_NOT_COUNTED"
    assert "1 in the body of If, 1 com.microsoft::Attention" in finding.message
    assert finding.layers == ("inside", "foreign")


def test_products_of_two_wide_types_are_not_half_quantized(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "y", "fc1")]
    assert audit_graph(tmp_path, nodes, {"w": np.zeros((64, 32), np.float32)}).findings == ()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TensorProto.UINT16, "uint16"),
        (TensorProto.UINT4, "uint4"),
        (TensorProto.FLOAT8E4M3FNUZ, "e4m3fnuz"),
        (TensorProto.INT2, "int2"),
    ],
)
def test_every_type_that_onnx_quantizes_to_has_a_name(kind: int, name: str, tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x scale", "q", output_dtype=kind),
        node("DequantizeLinear", "q scale", "a"),
        node("MatMul", "a w", "y", "fc1"),
    ]
    layer = only(audit_graph(tmp_path, nodes, {"scale": SCALE, "w": WEIGHT}))
    assert layer.precision_in == f"{name} x fp16"


def test_products_without_elements_count_nothing(tmp_path: Path) -> None:
    nodes = [
        node("Slice", "x zero zero one", "none"),
        node("MatMul", "none w", "n", "fc1"),
        node("Concat", "n n", "y", axis=1),
    ]
    assert only(audit_graph(tmp_path, nodes, {"w": WEIGHT, **AXIS})).flops == 0


def test_a_first_operand_may_be_transposed_and_a_second_be_a_vector(tmp_path: Path) -> None:
    flat = node("Flatten", "x", "flat", axis=2)
    transposed = [flat, node("Gemm", "flat w", "y", "head/Gemm", transA=1)]
    layer = only(audit_graph(tmp_path, transposed, {"w": np.zeros((16, 32), np.float16)}))
    assert (layer.m, layer.n, layer.k) == (64, 32, 16)
    vector = [node("MatMul", "x w", "y", "fc1")]
    layer = only(audit_graph(tmp_path, vector, {"w": np.zeros(64, np.float16)}))
    assert (layer.m, layer.n, layer.k) == (16, 1, 64)


@pytest.mark.parametrize(("precision", "bits"), [("fp4", 4 + 8 / 16), ("mxfp8", 8 + 8 / 32), ("fp8", 8)])
def test_scales_of_blocks_are_stored_with_the_elements(precision: str, bits: float) -> None:
    assert _stored_bytes((32, 64), precision) == 32 * 64 * bits / 8
