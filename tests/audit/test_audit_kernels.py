from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbench.audit import audit_engine
from trtbench.audit.graph import read_graph
from trtbench.audit.kernel_shapes import attention, convolution, layer_bytes, matrix_product
from trtbench.audit.kernels import GraphFacts, audit_kernels, graph_facts, kernels_of
from trtbench.audit.onnx_layers import audit_products
from trtbench.results import Audit, AuditedLayer, CompiledEngine, CompiledLayer, LayerTensor
from trtbench.specs.recipe import parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
QKV, PROJ = "/blocks/blocks.0/attn/qkv/MatMul", "/blocks/blocks.0/attn/proj/MatMul"


def tensor(text: str) -> LayerTensor:
    """``Half:4,197,768`` or ``name=Half:4,197,768``."""
    name, _, rest = text.rpartition("=")
    dtype, _, dims = rest.partition(":")
    dimensions = tuple(int(dim) for dim in dims.split(","))
    return LayerTensor(name=name or "t", dimensions=dimensions, strides=(), dtype=dtype, format="Linear")


def layer(
    inputs: str,
    constants: str,
    outputs: str,
    nodes: tuple[str, ...] = (),
    name: str = "k",
    layer_type: str = "gemm",
) -> CompiledLayer:
    return CompiledLayer(
        name=name,
        layer_type=layer_type,
        tactic_name="",
        stream_id=0,
        inputs=tuple(map(tensor, inputs.split())),
        constants=tuple(map(tensor, constants.split())),
        outputs=tuple(map(tensor, outputs.split())),
        onnx_nodes=nodes,
    )


def audit(*layers: CompiledLayer, graph: str = "fp16") -> tuple[AuditedLayer, ...]:
    onnx = read_graph(GOLDEN / f"{graph}.onnx")
    return audit_kernels(kernels_of(layers), graph_facts(onnx, audit_products(onnx)))


def audit_golden(name: str) -> Audit:
    compiled = CompiledEngine.model_validate_json((GOLDEN / f"{name}.layers.json").read_bytes())
    recipe = parse_recipe(name.replace("_", "@"))
    return audit_engine(GOLDEN / f"{name}.onnx", compiled.layers, recipe, "tensorrt_rtx 1.7.1", None)


@pytest.mark.parametrize(
    ("inputs", "constants", "outputs", "size", "precision"),
    [
        ("Half:8,197,192", "Half:1,192,576 Float:1 Float:1", "Half:8,197,576", (1576, 576, 192), "fp16"),
        # The residual has the shape of the activation, and the width of the output.
        ("Half:1576,192 FP8:1576,192", "Half:1,192 FP8:192,192", "Half:1576,192", (1576, 192, 192), "fp8"),
        ("Half:1576,192 Half:1576,768", "Half:1,192 Half:768,192", "Half:1576,192", (1576, 192, 768), "fp16"),
        # Scales of an FP4 product are swizzled: their shape says nothing.
        (
            "FP4E2M1:1576,192 FP8:13,4,32,3,4",
            "FP4E2M1:192,768 Float:1 Float:1 FP8:3,4,6,4,32",
            "Half:1576,768",
            (1576, 768, 192),
            "fp4",
        ),
        (
            "FP8:1576,192 FP8UE8M0:1576,6",
            "FP8:192,768 FP8UE8M0:6,768",
            "Half:1576,768",
            (1576, 768, 192),
            "mxfp8",
        ),
        # Q, K and V merged: one batched product of a broadcast activation.
        ("FP4E2M1:1,1576,192", "FP4E2M1:3,192,192", "Half:3,1576,192", (3 * 1576, 192, 192), "fp4"),
        ("FP4E2M1:3,1576,192", "FP4E2M1:3,192,192", "Half:3,1576,192", (3 * 1576, 192, 192), "fp4"),
        # Unfused attention, and an output that the kernel stores in another shape.
        ("Half:24,197,64 Half:24,64,197", "", "Half:24,197,197", (24 * 197, 197, 64), "fp16"),
        ("Half:1576,192", "Half:192,192", "Half:8,3,197,64", (1576, 192, 192), "fp16"),
        ("Half:1576,192", "FP4E2M1:192,768", "Half:1576,768", (1576, 768, 192), "fp16 x fp4"),
    ],
)
def test_size_and_precision_of_a_product(
    inputs: str, constants: str, outputs: str, size: tuple[int, int, int], precision: str
) -> None:
    product = matrix_product(layer(inputs, constants, outputs))
    assert product is not None
    assert (product.m, product.n, product.k) == size
    assert product.precision == precision
    assert product.flops == 2 * size[0] * size[1] * size[2]


def test_no_product_without_operands() -> None:
    assert matrix_product(layer("Half:8,197,192", "Half:1,1,192", "Half:8,197,192")) is None


def test_convolution() -> None:
    product = convolution(
        layer("Half:8,4,224,224", "Half:192,4,16,16 Float:1 Half:1,192,1,1", "Half:8,192,14,14")
    )
    assert product is not None
    assert (product.m, product.n, product.k, product.precision) == (8 * 196, 192, 4 * 256, "fp16")


@pytest.mark.parametrize(
    ("inputs", "output", "flops", "precision"),
    [
        ("Half:24,197,64 Half:24,64,197 Half:24,197,64", "Half:24,197,64", 4 * 24 * 197 * 197 * 64, "fp16"),
        ("FP8:24,197,64 FP8:24,64,197 FP8:24,197,64", "FP8:24,197,64", 4 * 24 * 197 * 197 * 64, "fp8"),
        ("Half:24,1,64 Half:24,64,196 Half:24,196,64", "Half:24,1,64", 4 * 24 * 196 * 64, "fp16"),
        (
            "Half:8,3,197,64 Half:8,3,197,64 Half:8,3,197,32 Half:1,3,197,197",
            "Half:8,3,197,32",
            2 * 24 * 197 * 197 * (64 + 32),
            "fp16",
        ),
    ],
)
def test_attention(inputs: str, output: str, flops: int, precision: str) -> None:
    assert attention(layer(inputs, "", output)) == (flops, precision)


def test_bytes_by_element_size() -> None:
    kernel = layer("FP4E2M1:4,64 FP8:4,4", "Half:2,8 Float:1", "BFloat16:3 FP8UE8M0:5 Int8:7")
    assert layer_bytes(kernel) == 4 * 64 // 2 + 16 + 2 * 16 + 4 + 6 + 5 + 7


def test_qkv_in_three_kernels_counts_once() -> None:
    one = layer("Half:1576,192", "Half:192,192", "Half:1576,192", (QKV,))
    audited = audit(one, one, one)
    assert [kernel.role for kernel in audited] == ["qkv"] * 3
    assert sum(kernel.flops for kernel in audited) == 2 * 1576 * 576 * 192


def test_synchronization_is_no_kernel() -> None:
    wait = layer("", "", "", layer_type="wait")
    signal = layer("", "", "", layer_type="signal")
    assert kernels_of((wait, signal)) == ()


def test_swizzle_of_scales_is_not_a_product_though_it_names_the_whole_linear() -> None:
    nodes = (PROJ, "/blocks/blocks.0/attn/proj/input_quantizer/DequantizeLinear_1")
    swizzle = layer("FP8:12,48", "FP8:116,48", "FP8:128,48", nodes, "__myl_MoveConc_myl0_15", "kgen")
    gemm = layer("FP4E2M1:12,192 FP8:1,4,32,3,4", "FP4E2M1:192,192", "Half:12,192", nodes)
    first, second = audit(swizzle, gemm, graph="nvfp4_stock")
    assert (first.op, first.role, first.flops) == ("reformat", "quantize", 0)
    assert (second.op, second.role, second.precision_in) == ("gemm", "proj", "fp4")


def test_product_in_a_generated_kernel_counts_if_no_other_layer_computes_it() -> None:
    kernel = layer("Half:8,192", "Half:192,1000", "Half:8,1000", ("/head/Gemm",), "__myl_Fc_myl0_9", "kgen")
    (audited,) = audit(kernel)
    assert (audited.op, audited.role, audited.flops) == ("gemm", "head", 2 * 8 * 1000 * 192)
    bias = layer("Half:8,1000", "Half:1,1000", "Half:8,1000", ("/head/Gemm",), "__myl_Add_myl0_10", "kgen")
    assert [other.op for other in audit(kernel, bias)] == ["gemm", "pointwise"]


def test_indices_in_a_kernel_are_no_operands_of_its_product() -> None:
    indices = layer(
        "Int64:1,1,1 Int64:1,98 Half:1,98,8", "", "Half:1,1,98", ("/head/Gemm",), "__myl_EqlMulSum_myl0_3"
    )
    assert matrix_product(indices) is None
    both = layer(
        "Int64:8,8 Half:8,192", "Half:192,8", "Half:8,8", ("/head/Gemm",), "__myl_EqlFc_myl0_3", "kgen"
    )
    (found,) = audit(both)
    assert (found.op, found.precision_in, found.k) == ("gemm", "fp16", 192)


def test_gemm_of_a_node_that_the_graph_does_not_name() -> None:
    nodes = ("/blocks/blocks.3/mlp/fc2/MatMul[split]", "/blocks/blocks.3/mlp/fc2/MatMul_7")
    (audited,) = audit(layer("Half:16,768", "Half:768,192", "Half:16,192", nodes))
    assert (audited.op, audited.role, audited.block, audited.m) == ("gemm", "fc2", 3, 16)


def test_padded_input_channels_are_not_counted_as_work() -> None:
    kernel = layer(
        "Half:8,4,224,224",
        "Half:192,4,16,16",
        "Half:8,192,14,14",
        ("/patch_embed/proj/Conv",),
        layer_type="correlation",
    )
    (audited,) = audit(kernel)
    assert (audited.op, audited.k, audited.flops) == ("conv", 768, 2 * 8 * 196 * 192 * 768)


@pytest.mark.parametrize("name", ["fp16", "fp8_stock", "mxfp8", "nvfp4_stock"])
def test_work_of_the_engine_is_the_work_of_the_graph(name: str) -> None:
    audited = audit_golden(name)
    assert audited.compiled_flops == audited.onnx_flops
    assert {role.role: role.flops for role in audited.by_role} == {
        role: sum(kernel.flops for kernel in audited.layers if kernel.role == role)
        for role in ("patch_embed", "qkv", "attention", "proj", "fc1", "fc2", "head")
    }


@pytest.mark.parametrize(
    ("name", "gemms", "quantize", "others", "precisions"),
    [
        ("fp16", 5, 0, 8, {"fp16"}),
        ("fp8_stock", 7, 2, 14, {"fp8", "fp16"}),
        ("mxfp8", 5, 14, 24, {"fp16"}),
        ("nvfp4_stock", 5, 14, 27, {"fp4", "fp16"}),
    ],
)
def test_kernels_of_real_engines(
    name: str, gemms: int, quantize: int, others: int, precisions: set[str]
) -> None:
    """ViT-Ti/16 of one block, batch 8, built by TensorRT-RTX 1.7.1 for SM120."""
    audited = audit_golden(name)
    assert (audited.gemm_kernels, audited.attention_kernels) == (gemms, 1)
    assert (audited.quantize_kernels, audited.other_kernels) == (quantize, others)
    assert audited.gemm_kernels + audited.attention_kernels + audited.other_kernels + 1 == len(audited.layers)
    assert audited.gemm_flops_share.keys() == precisions
    assert sum(audited.gemm_flops_share.values()) == pytest.approx(1)
    assert audited.attention_precision == "fp16"


def test_operations_of_a_real_engine() -> None:
    """Kernel for kernel as TensorRT-RTX runs them."""
    steps = [
        (kernel.op, kernel.role, kernel.precision_in, kernel.precision_out)
        for kernel in audit_golden("nvfp4_stock").layers
    ]
    assert steps == [
        ("reformat", "reformat", "fp16", "fp16"),
        ("conv", "patch_embed", "fp16", "fp16"),
        ("norm", "norm", "fp16", "fp32"),
        ("quantize", "quantize", "fp32", "fp4"),
        ("dequantize", "quantize", "fp4", "fp16"),
        ("dequantize", "quantize", "fp4", "fp16"),
        ("gemm", "qkv", "fp16", "fp16"),
        ("pointwise", "qkv", "fp16", "fp16"),
        ("pointwise", "attention", "fp16", "fp16"),
        ("reformat", "reformat", "fp16", "fp16"),
        ("pointwise", "qkv", "fp16", "fp16"),
        ("pointwise", "attention", "fp16", "fp16"),
        ("attention", "attention", "fp16", "fp16"),
        ("reformat", "reformat", "fp16", "fp32"),
        ("quantize", "quantize", "fp32", "fp4"),
        ("reformat", "quantize", "fp8", "fp8"),
        ("reformat", "quantize", "fp8", "fp8"),
        ("gemm", "proj", "fp4", "fp16"),
        ("norm", "norm", "fp16", "fp32"),
        ("quantize", "quantize", "fp32", "fp4"),
        ("reformat", "quantize", "fp8", "fp8"),
        ("reformat", "quantize", "fp8", "fp8"),
        ("gemm", "fc1", "fp4", "fp16"),
        ("gelu", "gelu", "fp16", "fp32"),
        ("quantize", "quantize", "fp32", "fp4"),
        ("reformat", "quantize", "fp8", "fp8"),
        ("reformat", "quantize", "fp8", "fp8"),
        ("gemm", "fc2", "fp4", "fp16"),
        ("norm", "norm", "fp16", "fp32"),
        ("norm", "norm", "fp32", "fp32"),
        ("quantize", "quantize", "fp32", "fp4"),
        ("reformat", "quantize", "fp8", "fp8"),
        ("gemm", "head", "fp4", "fp16"),
        ("pointwise", "head", "fp16", "fp16"),
    ]


def test_static_quantizers_fold_into_the_kernel_before() -> None:
    folded = {
        (kernel.op, kernel.precision_out)
        for kernel in audit_golden("fp8_stock").layers
        if any("QuantizeLinear" in node for node in kernel.onnx_nodes)
    }
    assert {("norm", "fp8"), ("gelu", "fp8"), ("quantize", "fp8")} <= folded


def attention_graph(path: Path, name: str) -> Path:
    """The operator Attention, of heads of 36, behind a quantizer; nodes bear ``name`` or none."""
    tensors = {"s": np.ones((), np.float16), "z": np.zeros((), np.int8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["q", "s", "z"], ["q8"], name=name and f"{name}/Quantize"),
        helper.make_node("DequantizeLinear", ["q8", "s", "z"], ["qd"], name=name and f"{name}/Dequantize"),
        helper.make_node("Attention", ["qd", "k", "v"], ["y"], name=name and f"{name}/attention"),
    ]
    value = partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT16)
    graph = helper.make_graph(
        nodes,
        "g",
        [value(part, shape=[2, 4, 128, 36]) for part in "qkv"],
        [value("y", shape=None)],
        [numpy_helper.from_array(array, key) for key, array in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)]), path)
    return path


def test_kernels_that_pad_the_operands_of_an_attention_are_none(tmp_path: Path) -> None:
    """As TensorRT-RTX 1.7.1 compiles it: heads are padded to 40, and all kernels name the operator."""
    graph = read_graph(attention_graph(tmp_path / "m.onnx", ""))
    products = audit_products(graph)
    kernels = [
        layer(
            "Half:8,36,128", "Half:8,4,128", "Half:8,40,128", ("node_of_y",), "__myl_MoveConc_myl0_1", "kgen"
        ),
        layer(
            "Half:8,128,40 Half:8,40,128 Half:8,128,40",
            "",
            "Half:8,128,40",
            ("node_of_y",),
            "_gemm_mha_v2_myl0_4",
            "kgen",
        ),
        layer("Half:8,128,40", "", "Half:8,128,36", ("node_of_y",), "__myl_Slic_myl0_5", "kgen"),
    ]
    audited = audit_kernels(tuple(kernels), graph_facts(graph, products))
    assert [kernel.op for kernel in audited] == ["reformat", "attention", "reformat"]
    assert sum(kernel.flops for kernel in audited) == products[0].flops == 4 * 8 * 128 * 128 * 36


@pytest.mark.parametrize("name", ["", "gelu/norm1"])
def test_a_kernel_is_known_by_operators_and_not_by_names(name: str, tmp_path: Path) -> None:
    graph = read_graph(attention_graph(tmp_path / "m.onnx", name))
    node = next(node.name for node in graph.nodes if node.op_type == "QuantizeLinear")
    kernel = layer(
        "Half:2,4,128,36", "Half:1", "Int8:2,4,128,36", (node,), "__myl_MulRounCast_myl0_0", "kgen"
    )
    (audited,) = audit_kernels((kernel,), graph_facts(graph, audit_products(graph)))
    assert (audited.op, audited.role) == ("quantize", "quantize")


def test_a_square_weight_is_the_second_operand() -> None:
    product = matrix_product(layer("Half:256,256", "Int4:256,256 Half:2,256", "Half:256,256"))
    assert product is not None
    assert product.precision == "fp16 x int4"


def test_a_convolution_that_the_graph_does_not_name_counts_as_its_tensors_say() -> None:
    tensors = ("Half:8,4,224,224", "Half:192,4,16,16", "Half:8,192,14,14")
    (audited,) = audit(layer(*tensors, ("/other/Conv",), layer_type="correlation"))
    assert (audited.op, audited.k) == ("conv", 4 * 16 * 16)


def test_a_kernel_is_in_the_block_of_the_node_that_gives_it_its_role() -> None:
    nodes = ("/blocks/blocks.3/attn/Reshape_9", "/blocks/blocks.4/norm1/LayerNormalization_9")
    (audited,) = audit(layer("Half:16,768", "", "Half:16,768", nodes, layer_type="kgen"))
    assert (audited.op, audited.block) == ("norm", 4)


def test_a_kernel_of_nodes_that_move_is_a_reformat() -> None:
    (audited,) = audit(layer("Half:16,768", "", "Half:768,16", ("/Transpose_9",), layer_type="shuffle"))
    assert (audited.op, audited.role) == ("reformat", "reformat")


@pytest.mark.parametrize("name", ["/blocks/0/fc1/MatMul_7", "blocks.0.fc1.MatMul_12", "MatMul"])
def test_a_node_that_the_parser_made_is_known_by_the_end_of_its_name(name: str) -> None:
    assert GraphFacts().operator(name) == "MatMul"
