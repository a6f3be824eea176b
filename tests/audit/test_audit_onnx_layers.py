from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from trtbench.audit import audit_onnx
from trtbench.results import Audit, AuditedLayer
from trtbench.specs.recipe import parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
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
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("trt", 1)]
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


def test_weight_only_quantization_is_told_apart(tmp_path: Path) -> None:
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
