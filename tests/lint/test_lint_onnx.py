"""Facts that are read from ONNX graphs, ours and others."""

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto
from support.lint_graphs import (
    Sketch,
    attention,
    attention_operator,
    biased,
    constant_of,
    convolution,
    int8_linear,
    integer_product,
    linear,
    qkv,
)

from trtbench.errors import ArtifactError, SpecError
from trtbench.lint import lint
from trtbench.lint.onnx_facts import onnx_subject
from trtbench.lint.subject import LintSubject
from trtbench.results import LintReport

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"


def read(sketch: Sketch, tmp_path: Path, batch: int = 64, image_size: int = 224) -> LintSubject:
    return onnx_subject(sketch.save(tmp_path / "model.onnx"), batch, image_size, ("sm120",))


@pytest.mark.parametrize(("precision", "name"), [("nvfp4", "fp4"), ("mxfp8", "mxfp8"), ("fp8", "fp8")])
def test_a_linear_layer_and_its_quantiser(precision: str, name: str, tmp_path: Path) -> None:
    subject = read(linear(precision, (2, 197, 64), 96), tmp_path)
    (layer,) = subject.linears
    assert (layer.role, layer.shape, layer.k, layer.n, layer.precision) == ("fc1", (2, 197, 64), 64, 96, name)
    assert layer.flops == 2 * 2 * 197 * 64 * 96
    assert subject.batch == 2
    found = [(q.role, q.precision, q.shape, q.source) for q in subject.quantizers]
    assert found == ([] if precision == "fp8" else [("fc1", name, (2, 197, 64), "fp16")])


@pytest.mark.parametrize(("form", "cut"), [("split", True), ("gather", True), ("whole", False)])
def test_a_product_that_is_cut_in_three(form: str, cut: bool, tmp_path: Path) -> None:
    (layer,) = read(qkv("nvfp4", form), tmp_path).linears
    assert (layer.role, layer.cut_in_three) == ("qkv", cut)


def test_attention_with_scale_and_bias_between(tmp_path: Path) -> None:
    sketch = attention(("fp8", "fp8", "", "fp8"), (2, 3, 50, 64), scale_behind=True, bias=True)
    (found,) = read(sketch, tmp_path).attentions
    assert (found.name, found.queries, found.keys, found.head_dim) == ("/blocks.0/attn/MatMul", 50, 50, 64)
    assert found.precisions == ("fp8", "fp8", "fp16", "fp8")
    assert (found.scores, found.is_operator) == ("fp16", False)


def test_attention_whose_values_are_wider(tmp_path: Path) -> None:
    nodes = "s = MatMul(q, k) p = Softmax<axis=-1>(s) y = MatMul(p, v)"
    text = "g (float16[2,3,50,32] q, float16[2,3,32,50] k, float16[2,3,50,64] v) => (float16[2,3,50,64] y)"
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 19]> {text} {{ {nodes} }}')
    onnx.save(model, tmp_path / "model.onnx")
    (found,) = onnx_subject(tmp_path / "model.onnx", 2, 224, ("sm120",)).attentions
    assert (found.head_dim, found.value_dim) == (32, 64)


def test_cross_attention(tmp_path: Path) -> None:
    (found,) = read(attention("fp8", (2, 3, 7, 64), keys=50), tmp_path).attentions
    assert (found.queries, found.keys) == (7, 50)


def test_the_operator_attention(tmp_path: Path) -> None:
    (found,) = read(attention_operator(40, np.float32), tmp_path).attentions
    assert (found.head_dim, found.keys, found.scores, found.is_operator) == (40, 197, "fp32", True)


def test_a_convolution_of_an_image(tmp_path: Path) -> None:
    (found,) = read(convolution("fp16", "fp8", 70), tmp_path).convolutions
    assert (found.activation, found.weight, found.role) == ("fp16", "fp8", "patch_embed")
    assert (found.image, found.kernel, found.strides) == ((70, 70), (16, 16), (16, 16))
    assert found.flops == 2 * 2 * 4 * 4 * 64 * 3 * 16 * 16


def test_dynamic_dimensions_count_as_they_are_given(tmp_path: Path) -> None:
    subject = read(linear("nvfp4", ("N", 197, 64)), tmp_path, batch=5)
    assert subject.dynamic_inputs == (("x", "[N, 197, 64]"),)
    assert (subject.batch, subject.linears[0].shape) == (5, (5, 197, 64))


def test_a_named_shape_comes_before_batch_and_image_size(tmp_path: Path) -> None:
    path = linear("nvfp4", ("N", "tokens", 64)).save(tmp_path / "model.onnx")
    assert onnx_subject(path, 5, 224, ("sm120",), {"x": (3, 50, 64)}).linears[0].shape == (3, 50, 64)
    with pytest.raises(SpecError, match=r"shape of z: model\.onnx has no such input, only x"):
        onnx_subject(path, 5, 224, ("sm120",), {"z": (3, 50, 64)})


def test_dynamic_images_and_weights_in_another_file(tmp_path: Path) -> None:
    sketch = convolution("fp16", "fp16")
    sketch.input("x", "N", "C", "H", "W")
    model = onnx.load(sketch.save(tmp_path / "whole.onnx"))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").unlink()
    subject = onnx_subject(path, 7, 384, ("sm120",))
    assert subject.batch == 7
    assert subject.convolutions[0].image == (384, 384)


@pytest.mark.parametrize(
    ("sketch", "fact", "expected"),
    [
        (constant_of(np.int16), "foreign_tensors", (("c", "int16"),)),
        (constant_of(ml_dtypes.float8_e5m2), "foreign_tensors", (("c", "float8e5m2"),)),
        (constant_of(np.uint8), "foreign_tensors", ()),
        (
            int8_linear(zero_point=3),
            "asymmetric_quantizers",
            ("/x_q/QuantizeLinear", "/x_dq/DequantizeLinear"),
        ),
        (int8_linear(weight_kind=np.uint8), "asymmetric_quantizers", ("/w/DequantizeLinear",)),
        (int8_linear(kind=np.uint8), "unsigned_quantizers", ("/x_q/QuantizeLinear",)),
        (int8_linear(kind=np.uint8, zero_point=128), "unsigned_quantizers", ()),
        (int8_linear(), "asymmetric_quantizers", ()),
        (int8_linear(), "unsigned_quantizers", ()),
        (integer_product(), "integer_operators", ("/y/MatMulInteger",)),
        (biased(np.int32), "int32_dequantizers", ("/b_dq/DequantizeLinear",)),
        (biased(np.int8), "int32_dequantizers", ()),
    ],
)
def test_what_the_parser_does_not_take(
    sketch: Sketch, fact: str, expected: tuple[object, ...], tmp_path: Path
) -> None:
    assert getattr(read(sketch, tmp_path), fact) == expected


def test_products_of_unknown_shape_are_named(tmp_path: Path) -> None:
    sketch = Sketch()
    sketch.node("Custom", [sketch.input("x", 8, 64)], "c", domain="trt")
    sketch.node("MatMul", ["c", sketch.weight(64, 64, "fp16")], "y", "/blocks.0/mlp/fc1/MatMul")
    subject = read(sketch, tmp_path)
    assert subject.linears == ()
    assert subject.unjudged == {"/blocks.0/mlp/fc1/MatMul": "of unknown shape behind /c/Custom (trt::Custom)"}


def test_standard_quantisers_of_blocks_to_fp4(tmp_path: Path) -> None:
    sketch = Sketch()
    scales = sketch.constant("scales", np.ones((197, 4)))
    kind = {"axis": -1, "block_size": 16, "output_dtype": TensorProto.FLOAT4E2M1}
    sketch.node("QuantizeLinear", [sketch.input("x", 197, 64), scales], "q", **kind)
    sketch.node("DequantizeLinear", ["q", scales], "d", axis=-1, block_size=16)
    sketch.node("MatMul", ["d", sketch.weight(64, 64, "nvfp4")], "y", "/blocks.0/mlp/fc2/MatMul")
    (found,) = read(sketch, tmp_path).quantizers
    assert (found.precision, found.rows, found.role, found.is_dynamic) == ("fp4", 197, "fc2", False)


def test_an_exported_graph(tmp_path: Path) -> None:
    subject = onnx_subject(GOLDEN / "nvfp4_stock.onnx", 64, 224, ("sm120",))
    assert {layer.role for layer in subject.linears} >= {"qkv", "proj", "fc1", "fc2"}
    assert all(layer.cut_in_three == (layer.role == "qkv") for layer in subject.linears)
    assert len(subject.attentions) == 1
    assert {quantizer.source for quantizer in subject.quantizers} == {"fp32"}


def test_weights_of_other_exporters_are_weights(tmp_path: Path) -> None:
    """Weights as Constant nodes, as Paddle and TensorFlow write them: the same findings."""
    path = qkv("nvfp4", "split").save(tmp_path / "model.onnx")
    model = onnx.load(path)
    constants = [
        onnx.helper.make_node("Constant", [], [tensor.name], value=tensor)
        for tensor in model.graph.initializer
    ]
    nodes = [*constants, *model.graph.node]
    for node in nodes:
        node.name = ""
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, tmp_path / "constants.onnx")
    plain, moved = (codes_of(lint(tmp_path / name)) for name in ("model.onnx", "constants.onnx"))
    assert moved == plain
    assert "FUSED_QKV" in moved


def codes_of(report: LintReport) -> set[str]:
    return {str(finding.code) for section in report.sections for finding in section.findings}


def test_layers_in_a_function_are_judged(tmp_path: Path) -> None:
    opset = [onnx.helper.make_opsetid("", 23), onnx.helper.make_opsetid("me", 1)]
    product = onnx.helper.make_node("Conv", ["a", "b"], ["c"], "conv", strides=[2, 2])
    function = onnx.helper.make_function("me", "Patches", ["a", "b"], ["c"], [product], opset)
    sketch = Sketch()
    weight = sketch.random("w", 8, 3, 2, 2)
    sketch.node("Patches", [sketch.input("x", 1, 3, 9, 9), weight], "y", "patches", domain="me")
    model = onnx.load(sketch.save(tmp_path / "plain.onnx"))
    model.functions.append(function)
    model.opset_import.append(opset[1])
    onnx.save(model, tmp_path / "model.onnx")
    report = lint(tmp_path / "model.onnx")
    assert [f.layers for f in report.sections[0].findings if f.code == "PIXELS_DROPPED"] == [
        ("conv | patches (Patches)",)
    ]


def test_a_product_in_the_body_of_an_if_is_not_judged(tmp_path: Path) -> None:
    sketch = Sketch()
    weight = sketch.weight(64, 64, "fp16")
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", weight], ["z"], "inside")],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("z", TensorProto.FLOAT16, [8, 64])],
    )
    sketch.input("x", 8, 64)
    flag = sketch.input("flag", kind=TensorProto.BOOL)
    sketch.node("If", [flag], "y", then_branch=branch, else_branch=branch)
    assert read(sketch, tmp_path).unjudged == {"inside": "in the body of If"}


@pytest.mark.parametrize(
    ("pixels", "found"), [((5, 6), False), ((4, 8), False), ((1, 32), False), ((3, 11), True), ((6, 6), True)]
)
def test_fp8_convolutions_of_up_to_32_elements_run_in_fp8(
    pixels: tuple[int, int], found: bool, tmp_path: Path
) -> None:
    report = lint(convolution("fp8", "fp8", pixels=pixels).save(tmp_path / "model.onnx"))
    assert ("CONVOLUTION_PRECISION" in codes_of(report)) == found


def test_a_graph_that_contradicts_itself_is_refused_in_one_line(tmp_path: Path) -> None:
    sketch = Sketch()
    sketch.node("Custom", [sketch.input("x", 8, 64)], "y", domain="elsewhere")
    with pytest.raises(
        ArtifactError, match=r"model\.onnx: shapes cannot be inferred \(.*elsewhere"
    ) as caught:
        read(sketch, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no model", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_model_is_refused_in_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    kind = SpecError if content is None else ArtifactError
    with pytest.raises(kind, match=r"model\.onnx: .*") as caught:
        lint(path)
    assert "\n" not in str(caught.value)
