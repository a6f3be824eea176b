"""Graphs of other exporters, compiled: the audit of the engine counts what the graph asks for."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from support.lint_graphs import Sketch, attention_operator, linear, qkv

from trtbench.audit.inspect import inspect
from trtbench.build import build
from trtbench.diff import diff
from trtbench.errors import SpecError
from trtbench.request import parse_profile
from trtbench.results import Audit
from trtbench.specs import BuilderOptions, BuildSpec
from trtbench.store.artifacts import Store


def audit(path: Path, tmp_path: Path) -> Audit:
    engine, _ = build(path, BuildSpec(targets=("sm120",)), Store(tmp_path / "store"))
    return inspect(engine.directory)


def without_names(path: Path) -> Path:
    """The model with weights in Constant nodes and without names, as other exporters write it."""
    model = onnx.load(path)
    constants = [helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
    nodes = [*constants, *model.graph.node]
    for node in nodes:
        node.name = ""
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    return path


def test_nameless_graph_with_constant_nodes(tmp_path: Path) -> None:
    """Q, K and V in one NVFP4 product fall back; the attention behind it does not hide that."""
    found = audit(without_names(qkv("nvfp4", "split").save(tmp_path / "m.onnx")), tmp_path)
    assert found.compiled_flops == found.onnx_flops
    assert {"GEMM_FELL_BACK", "QUANTIZE_KERNELS"} <= {str(finding.code) for finding in found.findings}
    assert (found.gemm_kernels, found.attention_kernels) == (1, 1)


def test_attention_operator_with_padded_heads(tmp_path: Path) -> None:
    found = audit(attention_operator(36, tokens=64).save(tmp_path / "m.onnx"), tmp_path)
    assert found.attention_kernels == 1
    assert found.compiled_flops == found.onnx_flops == 4 * 2 * 3 * 64 * 64 * 36


@pytest.mark.parametrize("kind", ["Einsum", "ConvTranspose"])
def test_other_products(kind: str, tmp_path: Path) -> None:
    sketch = Sketch()
    if kind == "Einsum":
        operands = [sketch.input("x", 2, 8, 64), sketch.random("w", 64, 32)]
        sketch.node(kind, operands, "z", equation="bnc,cd->bnd")
    else:
        operands = [sketch.input("x", 2, 64, 8, 8), sketch.random("w", 64, 32, 4, 4)]
        sketch.node(kind, operands, "z", strides=[4, 4])
    sketch.node("Relu", ["z"], "y")
    found = audit(sketch.save(tmp_path / "m.onnx"), tmp_path)
    assert found.compiled_flops == found.onnx_flops > 0
    assert found.findings == ()


def test_functions(tmp_path: Path) -> None:
    opset = [helper.make_opsetid("", 23), helper.make_opsetid("me", 1)]
    product = helper.make_node("MatMul", ["a", "b"], ["c"])
    sketch = Sketch()
    sketch.node("Linear", [sketch.input("x", 8, 64), sketch.random("w", 64, 32)], "y", domain="me")
    model = onnx.load(sketch.save(tmp_path / "m.onnx"))
    model.functions.append(helper.make_function("me", "Linear", ["a", "b"], ["c"], [product], opset))
    model.opset_import.append(opset[1])
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, tmp_path / "m.onnx")
    found = audit(tmp_path / "m.onnx", tmp_path)
    assert [layer.role for layer in found.layers] == ["other"]
    assert found.compiled_flops == found.onnx_flops == 2 * 8 * 64 * 32


def test_an_engine_with_a_profile_is_read_at_its_optimum_and_at_other_shapes(tmp_path: Path) -> None:
    path = linear("fp8", ("batch", 128, 256)).save(tmp_path / "m.onnx")
    profile = parse_profile("x=1x128x256:8x128x256:64x128x256")
    spec = BuildSpec(targets=("sm120",), options=BuilderOptions(profiles=(profile,)))
    engine, _ = build(path, spec, Store(tmp_path / "store"))
    found, larger = inspect(engine.directory), inspect(engine.directory, {"x": (64, 128, 256)})
    assert found.compiled_flops == found.onnx_flops == 2 * 8 * 128 * 256 * 256
    assert larger.compiled_flops == 8 * found.compiled_flops
    assert found.gemm_flops_share == {"fp8": 1.0}
    product = next(layer for layer in found.layers if layer.op == "gemm")
    assert product.bytes == 8 * 128 * 256 + 256 * 256 + 2 * 8 * 128 * 256 + 2 * 4
    assert all(layer.bytes > 0 for layer in found.layers)
    assert {str(each.code) for each in found.findings} >= {"OPEN_DIMENSIONS"}
    with pytest.raises(SpecError, match=r"8x128x128 is not a shape of input x \[batch, 128, 256\]"):
        inspect(engine.directory, {"x": (8, 128, 128)})
    same = diff(engine.directory, engine.directory, {"x": (64, 128, 256)})
    assert same.before.inputs == {"x": (64, 128, 256)}
    assert {change.kind for change in same.changes} == {"same"}
