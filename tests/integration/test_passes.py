"""Each pass keeps what the model computes, and changes what the compiler makes of it."""

import warnings

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from onnx_ir.passes import common

from trtbench.errors import ExportError, SpecError
from trtbench.export import export
from trtbench.export.attention_ranges import attention_ranges
from trtbench.export.graph.static_batch import with_static_batch
from trtbench.export.graph.tensor_types import with_tensor_types
from trtbench.export.linear_layers import input_ranks
from trtbench.export.model import build_model, meta_model
from trtbench.export.passes import (
    apply_graph_passes,
    attention_quantizer,
    attention_scale,
    choose_passes,
    class_token_norm,
    flat_tokens,
    fold_kv_bias,
    fp8_attention,
    gelu_quantizer,
    model_passes,
    split_qkv,
    stack_qkv_bias,
    zero_kv_bias,
)
from trtbench.export.quantized_graph import quantized_graph
from trtbench.progress import silent
from trtbench.specs import ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.verify.lowering import lower
from trtbench.verify.standard_graph import evaluate

SPEC = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 2),), img_size=64)
BATCH = 3


@pytest.fixture(scope="module")
def images():
    return torch.randn(BATCH, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def int8_graph(images):
    """A quantised graph without graph passes; INT8, because onnxruntime's CPU provider runs it."""
    ranks, recipe = input_ranks(meta_model(SPEC)), parse_recipe("int8+fp8attn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing
        graph = quantized_graph(build_model(SPEC), recipe, None, [images], ranks, silent).model
    return with_static_batch(graph, BATCH)


def run(model, images):
    name = model.graph.input[0].name
    options = onnxruntime.SessionOptions()
    # Its optimizer moves transposes between FP8 tensors, which its own kernels do not take.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {name: images.numpy().astype(np.float16)})[0].astype(np.float64)


def cosine(a, b):
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def applied(model, *passes):
    graph = ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString()))
    counts = [run_pass(graph) for run_pass in passes]
    common.RemoveUnusedNodesPass()(graph)
    result = ir.to_proto(graph)
    onnx.checker.check_model(result)
    return result, counts


@pytest.fixture(scope="module")
def nvfp4_graph(store):
    """A graph in NVFP4 without passes; run it with ``emulated``."""
    spec = ExportSpec(model=SPEC, recipe=parse_recipe("nvfp4"), batch=BATCH, passes=())
    artifact, _ = export(spec, store)
    return with_tensor_types(onnx.load(artifact.payload))


def emulated(model, images, path, tensor=None):
    """What ``model`` computes in the number formats that it states: its output, or ``tensor``."""
    own = onnx.ModelProto.FromString(model.SerializeToString())
    onnx.save(with_tensor_types(own), path)
    graph = lower(path)
    feeds = {**graph.constants, graph.input_name: images.numpy().astype(np.float32)}
    (output,) = evaluate(graph.nodes, feeds, [tensor or graph.output_names[0]], graph.opset).values()
    return output.astype(np.float64)


def names(model, op_type):
    return [node.name for node in model.graph.node if node.op_type == op_type]


def test_split_qkv_keeps_the_function(int8_graph, images):
    split, (count,) = applied(int8_graph, split_qkv.run)
    assert count == 2
    products = names(split, "MatMul")
    assert not [name for name in products if "/qkv/" in name]
    assert sum(name.endswith(("/q/MatMul", "/k/MatMul", "/v/MatMul")) for name in products) == 6
    np.testing.assert_allclose(run(split, images), run(int8_graph, images), atol=2e-3)


def test_split_products_read_one_quantised_input(int8_graph):
    split, _ = applied(int8_graph, split_qkv.run)
    inputs = {node.name: node.input[0] for node in split.graph.node if node.op_type == "MatMul"}
    assert inputs["/blocks/blocks.0/attn/q/MatMul"] == inputs["/blocks/blocks.0/attn/k/MatMul"]


def with_qkv_biases(model, value_of_part):
    """The same graph with a constant bias on each of Q, K and V."""
    biased = onnx.ModelProto.FromString(model.SerializeToString())
    for tensor in biased.graph.initializer:
        part = tensor.name.removesuffix("/bias")[-1:]
        if tensor.name.endswith(("/attn/q/bias", "/attn/k/bias", "/attn/v/bias")):
            bias = np.full(tensor.dims, value_of_part[part], np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(bias, tensor.name))
    return biased


def test_stack_qkv_bias_changes_no_number(int8_graph, images):
    split, _ = applied(int8_graph, split_qkv.run)
    split = with_qkv_biases(split, {"q": 0.5, "k": -0.25, "v": 2.0})
    stacked, (count,) = applied(split, stack_qkv_bias.run)
    assert count == 2
    additions = [name for name in names(stacked, "Add") if "/attn/" in name and "/proj/" not in name]
    assert additions == [f"/blocks/blocks.{block}/attn/qkv/bias/Add" for block in range(2)]
    np.testing.assert_array_equal(run(stacked, images), run(split, images))
    _, (again,) = applied(stacked, stack_qkv_bias.run)
    assert again == 0


def test_stack_qkv_bias_leaves_a_norm_of_keys_alone(int8_graph):
    split, _ = applied(int8_graph, split_qkv.run)
    (heads,) = [n for n in split.graph.node if n.name == "/blocks/blocks.0/attn/k/heads/Transpose"]
    heads.output[0], normalized = "raw_keys", heads.output[0]
    norm = onnx.helper.make_node("Softmax", ["raw_keys"], [normalized], name="norm")
    split.graph.node.insert(list(split.graph.node).index(heads) + 1, norm)
    _, (count,) = applied(split, stack_qkv_bias.run)
    assert count == 1


def test_attention_scale_moves_to_the_query(int8_graph, images):
    moved, (count,) = applied(int8_graph, attention_scale.run)
    assert count == 2
    assert len(names(int8_graph, "Mul")) - len(names(moved, "Mul")) == 2
    # Another rounding in FP16 can move an INT8 value by one step.
    assert cosine(run(moved, images), run(int8_graph, images)) > 0.9995


def test_a_second_run_finds_nothing_to_do(int8_graph):
    once, _ = applied(int8_graph, split_qkv.run, attention_scale.run)
    _, counts = applied(once, split_qkv.run, attention_scale.run)
    assert counts == [0, 0]


def test_fold_kv_bias_keeps_the_function(images):
    model = build_model(SPEC)
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.bias.normal_()
        before = model(images)
        assert fold_kv_bias.run(model) == 2
        after = model(images)
    assert not any(block.attn.qkv.bias.chunk(3)[1].any() for block in model.blocks)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_fold_kv_bias_leaves_what_acts_on_keys_alone():
    model = build_model(SPEC.model_copy(update={"overrides": (("depth", 1), ("qk_norm", True))}))
    assert fold_kv_bias.run(model) == 0


def test_zero_kv_bias_drops_only_zeros(int8_graph):
    split, _ = applied(int8_graph, split_qkv.run)
    _, (count,) = applied(split, zero_kv_bias.run)
    assert count == 0
    for tensor in split.graph.initializer:
        if tensor.name.endswith("attn/k/bias"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(tensor.dims, np.float16), tensor.name))
    _, (count,) = applied(split, zero_kv_bias.run)
    assert count == 2


def test_fp8_attention_quantises_all_four_operands(int8_graph, images):
    ranges = attention_ranges(build_model(SPEC), [images])
    quantised, (count,) = applied(
        int8_graph, lambda graph: fp8_attention.run(graph, ranges, quantize_result=False)
    )
    assert count == 2
    added = set(names(quantised, "QuantizeLinear")) - set(names(int8_graph, "QuantizeLinear"))
    operands = {"q_quantizer", "k_quantizer", "v_quantizer", "softmax_quantizer"}
    assert {name.split("/")[-2] for name in added} == operands
    assert 0.99 < cosine(run(int8_graph, images), run(quantised, images)) < 1 - 1e-9


def test_fp8_attention_quantises_its_result_within_the_range_of_v(int8_graph, images):
    ranges = attention_ranges(build_model(SPEC), [images])
    plain, _ = applied(int8_graph, lambda graph: fp8_attention.run(graph, ranges, quantize_result=False))
    whole, _ = applied(int8_graph, lambda graph: fp8_attention.run(graph, ranges, quantize_result=True))
    added = set(names(whole, "QuantizeLinear")) - set(names(plain, "QuantizeLinear"))
    assert {name.split("/")[-2] for name in added} == {"result_quantizer"}
    assert len(added) == 2
    assert 0.998 < cosine(run(plain, images), run(whole, images)) < 1 - 1e-9


def test_ranges_are_those_of_the_attention(images):
    model, seen = build_model(SPEC), []
    model.blocks[0].attn.qkv.register_forward_hook(lambda _, __, output: seen.append(output))
    ranges = attention_ranges(model, [images])
    q, k, v = torch.cat(seen).chunk(3, -1)
    assert len(ranges) == 2
    assert ranges[0].query == pytest.approx(float(q.abs().max()) * 64**-0.5, rel=1e-5)
    assert ranges[0].key == pytest.approx(float(k.abs().max()), rel=1e-6)
    assert ranges[0].value == pytest.approx(float(v.abs().max()), rel=1e-6)


@pytest.mark.parametrize(
    ("quantizer", "layer"), [(gelu_quantizer, "mlp/fc2"), (attention_quantizer, "attn/proj")]
)
def test_a_quantiser_written_out_gives_the_same_numbers(nvfp4_graph, images, quantizer, layer, tmp_path):
    written_out, (count,) = applied(nvfp4_graph, quantizer.run)
    assert count == 2
    dynamic = "TRT_FP4DynamicQuantize"
    assert len(names(nvfp4_graph, dynamic)) - len(names(written_out, dynamic)) == 2
    quantised = f"/blocks/blocks.0/{layer}/input_quantizer/DequantizeLinear_1_output_0"
    before = emulated(nvfp4_graph, images, tmp_path / "before.onnx", quantised)
    after = emulated(written_out, images, tmp_path / "after.onnx", quantised)
    # The way to a scale is rounded to FP16: one between two E4M3 numbers may take the other, as good, one.
    assert np.mean(before != after) < 0.02
    assert np.abs(before - after).max() <= np.abs(before).max() / 4
    assert cosine(before, after) > 0.9995


def test_flat_tokens_change_no_number(nvfp4_graph, images, tmp_path):
    flat, (count,) = applied(nvfp4_graph, flat_tokens.run)
    assert count == 2 * 4  # not the head, which has one token
    before = emulated(nvfp4_graph, images, tmp_path / "before.onnx")
    np.testing.assert_array_equal(before, emulated(flat, images, tmp_path / "after.onnx"))
    _, (again,) = applied(flat, flat_tokens.run)
    assert again == 0


def test_gelu_stays_flat_between_flat_products(nvfp4_graph):
    flat, _ = applied(nvfp4_graph, flat_tokens.run)
    shapes = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in with_tensor_types(flat).graph.value_info
    }
    gelus = [node for node in flat.graph.node if node.op_type == "Gelu"]
    assert [shapes[node.input[0]] for node in gelus] == [2, 2]
    quantised = {node.input[0] for node in flat.graph.node if node.op_type == "TRT_FP4DynamicQuantize"}
    assert {node.output[0] for node in gelus} <= quantised  # without a Reshape between


def test_gelu_is_computed_twice_on_flat_tokens_too(nvfp4_graph, images, tmp_path):
    twice, _ = applied(nvfp4_graph, gelu_quantizer.run)
    flat, (_, count) = applied(nvfp4_graph, flat_tokens.run, gelu_quantizer.run)
    assert count == 2
    before = emulated(twice, images, tmp_path / "before.onnx")
    np.testing.assert_array_equal(before, emulated(flat, images, tmp_path / "after.onnx"))


def test_zeros_keep_being_zeros(nvfp4_graph, images, tmp_path):
    written_out, _ = applied(nvfp4_graph, gelu_quantizer.run, attention_quantizer.run)
    for tensor in written_out.graph.initializer:
        if tensor.name.endswith(("mlp.fc1.bias", "mlp/fc2/input_quantizer/bias")):
            far_below_zero = np.full(tensor.dims, -60, np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(far_below_zero, tensor.name))
    assert np.isfinite(emulated(written_out, images, tmp_path / "zeros.onnx")).all()


def test_class_token_norm_keeps_the_function(int8_graph, images):
    swapped, (count,) = applied(int8_graph, class_token_norm.run)
    assert count == 1
    np.testing.assert_array_equal(run(swapped, images), run(int8_graph, images))
    _, (again,) = applied(swapped, class_token_norm.run)
    assert again == 0


def test_class_token_norm_keeps_the_output_of_a_model_without_head(int8_graph, images):
    headless = onnx.ModelProto.FromString(int8_graph.SerializeToString())
    token = [node.output[0] for node in headless.graph.node if node.op_type == "Gather"][-1]
    shape = (BATCH, build_model(SPEC).num_features)
    headless.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(token, TensorProto.FLOAT16, shape))
    swapped, (count,) = applied(headless, class_token_norm.run)
    assert count == 1
    assert swapped.graph.output[0] == headless.graph.output[0]
    np.testing.assert_array_equal(run(swapped, images), run(headless, images))


def test_another_number_of_attentions_is_refused(int8_graph, images):
    ranges = attention_ranges(build_model(SPEC), [images])
    with pytest.raises(ExportError, match="1 attentions were calibrated, the graph has 2"):
        applied(int8_graph, lambda graph: fp8_attention.run(graph, ranges[:1], quantize_result=False))


@pytest.mark.parametrize("word", ["fp16", "bf16+sparse", "nvfp4@stock"])
def test_stock_and_casts_take_no_pass(word, int8_graph):
    recipe = parse_recipe(word)
    assert model_passes(recipe, None) == ()
    assert apply_graph_passes(int8_graph, recipe, None, ()) is int8_graph


@pytest.mark.parametrize(
    ("word", "is_folded"),
    [
        ("nvfp4", True),
        ("fp8+fp8attn", True),
        ("nvfp4:qkv=fp8+fp8attn", True),
        ("nvfp4+fp8attn", False),
        ("fp8:qkv=nvfp4+fp8attn", False),
    ],
)
def test_fp8_attention_keeps_the_biases_unless_k_and_v_come_in_fp8(word, is_folded):
    passes = [candidate.name for candidate in model_passes(parse_recipe(word), None)]
    assert passes == ["fold_kv_bias"] * is_folded


def test_all_passes_by_name_are_the_default():
    recipe = parse_recipe("nvfp4")
    every = ("split_qkv", "fold_kv_bias", "zero_kv_bias", "attention_scale", "gelu_quantizer")
    every = (*every, "attention_quantizer", "flat_tokens", "class_token_norm")
    assert choose_passes(recipe, every) is None
    assert "stack_qkv_bias" not in every  # of FP8 attention
    assert choose_passes(parse_recipe("nvfp4+fp8attn"), ("stack_qkv_bias",)) == ("stack_qkv_bias",)
    assert choose_passes(recipe, every[:2]) == ("fold_kv_bias", "split_qkv")
    assert choose_passes(parse_recipe("nvfp4@stock"), ()) is None
    assert choose_passes(parse_recipe("fp8+fp8attn"), ("gelu_quantizer",)) == ()


def test_an_unknown_pass_is_refused_with_the_names():
    with pytest.raises(SpecError, match="no pass 'gelu': choose of fold_kv_bias, split_qkv"):
        choose_passes(parse_recipe("nvfp4"), ("gelu",))
