"""Differences of real compiled layers: a ViT of one block in four precisions, by TensorRT-RTX 1.7.1."""

import itertools
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
from support.manifests import onnx_manifest

from trtbench.audit import audit_engine
from trtbench.diff.changes import totals_by_role
from trtbench.diff.engines import AuditedEngine, diff, diff_engines, diff_layers
from trtbench.diff.places import common_name, place_layers, short_name
from trtbench.errors import IncompatibleResults, SpecError
from trtbench.results import CompiledEngine, EngineManifest, FileRecord
from trtbench.specs import BuildSpec, ExportSpec, ModelSpec
from trtbench.store.artifacts import Artifact

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
NAMES = ("fp16", "fp8_stock", "mxfp8", "nvfp4_stock")


@lru_cache
def audit_of(name):
    """Audit of a golden engine, of batch 8 at 224 x 224 pixels."""
    compiled = CompiledEngine.model_validate_json((GOLDEN / f"{name}.layers.json").read_bytes())
    return audit_engine(GOLDEN / f"{name}.onnx", compiled.layers, None, "rtx", None)


def layers_of(name):
    """Audited kernels of a golden engine."""
    return audit_of(name).layers


def engine_of(name, model, batch=8, shape=None):
    """A golden engine as if it were in a store."""
    manifest = EngineManifest(
        spec_id="0" * 16,
        spec=BuildSpec(),
        export=None if model is None else ExportSpec(model=model, recipe="fp16", batch=batch),
        onnx_path=str(GOLDEN / f"{name}.onnx"),
        onnx_sha256="0" * 64,
        files=(FileRecord(name="model.engine", sha256="1" * 64, size_bytes=1000),),
        backend="tensorrt_rtx",
        backend_version="1.7.1.116",
        activation_bytes=0,
        weight_bytes=0,
        scratch_bytes=0,
        peak_rss_bytes=0,
        tool_versions={},
        created_utc="",
        build_s=1.0,
    )
    audit = audit_of(name)
    if shape is not None:
        audit = audit.model_copy(update={"inputs": dict.fromkeys(audit.inputs, shape)})
    return AuditedEngine(Artifact(Path("engines", f"{name}-{batch}"), manifest), audit)


def repeated(layers, blocks):
    """The kernels of block 0 once for each of ``blocks``, and the others once."""
    outside = [layer for layer in layers if layer.block is None]
    return tuple(outside) + tuple(
        layer.model_copy(
            update={
                "block": block,
                "onnx_nodes": tuple(
                    re.sub(r"blocks\.0\b", f"blocks.{block}", node) for node in layer.onnx_nodes
                ),
            }
        )
        for block in range(blocks)
        for layer in layers
        if layer.block == 0
    )


def sizes(changes, side):
    return Counter(
        {
            role: sum(c.count for c in changes for layer in getattr(c, side) if layer.role == role)
            for role in {layer.role for c in changes for layer in getattr(c, side)}
        }
    )


@pytest.mark.parametrize(("first", "second"), itertools.product(NAMES, NAMES))
def test_changes_hold_every_kernel_once_and_add_up(first, second):
    before, after = layers_of(first), layers_of(second)
    changes = diff_layers(before, after)
    assert sum(change.count * len(change.before) for change in changes) == len(before)
    assert sum(change.count * len(change.after) for change in changes) == len(after)
    assert sum(change.kernels for change in changes) == len(after) - len(before)
    assert sum(change.bytes for change in changes) == (
        sum(layer.bytes for layer in after) - sum(layer.bytes for layer in before)
    )
    for total in totals_by_role(before, after):
        assert sizes(changes, "before")[total.role] == total.kernels_before
        assert sizes(changes, "after")[total.role] == total.kernels_after
        moved = sum(
            change.count * layer.bytes
            for change in changes
            for layer in change.after
            if layer.role == total.role
        )
        assert moved == total.bytes_after


def test_totals_count_each_side_by_itself():
    before, after = layers_of("fp16"), layers_of("mxfp8")
    for totals in totals_by_role(before, after):
        for side, layers in (("before", before), ("after", after)):
            own = [layer for layer in layers if layer.role == totals.role]
            assert getattr(totals, f"kernels_{side}") == len(own)
            assert getattr(totals, f"bytes_{side}") == sum(layer.bytes for layer in own)


def test_a_model_is_no_engine(monkeypatch):
    model = Artifact(Path("models", "a"), onnx_manifest(ExportSpec(recipe="fp16"), []))
    monkeypatch.setattr("trtbench.diff.engines.load_artifact", lambda path: model)
    with pytest.raises(SpecError, match=r"^a: an exported model; diff takes two engines: build it first$"):
        diff(Path("a"), Path("b"))


def test_totals_by_role_hold_every_kernel():
    before, after = layers_of("fp16"), layers_of("nvfp4_stock")
    totals = totals_by_role(before, after)
    assert sum(total.kernels_before for total in totals) == len(before)
    assert sum(total.kernels_after for total in totals) == len(after)
    assert sum(total.bytes_after for total in totals) == sum(layer.bytes for layer in after)


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_does_not_differ_from_itself(name):
    layers = layers_of(name)
    changes = diff_layers(layers, layers)
    assert {change.kind for change in changes} == {"same"}
    assert all(change.gained == change.lost == () for change in changes)


def change_at(changes, place, kind=None):
    (found,) = [c for c in changes if c.place == place and kind in (None, c.kind)]
    return found


def test_fp16_to_nvfp4():
    changes = diff_layers(layers_of("fp16"), layers_of("nvfp4_stock"))
    split = change_at(changes, "fc1", "split")
    assert [(layer.op, layer.precision_in) for layer in split.before] == [("gemm", "fp16")]
    assert [(layer.op, layer.precision_in) for layer in split.after] == [("gemm", "fp4"), ("gelu", "fp16")]
    proj = change_at(changes, "proj", "precision")
    assert (proj.before[0].precision_in, proj.after[0].precision_in) == ("fp16", "fp4")
    # The bias and the residual move from the GEMM to the LayerNorm behind it.
    norm2 = change_at(changes, "norm2")
    assert set(norm2.gained) == set(proj.lost) == {"Add", "attn.proj.Add"}
    quantize = change_at(changes, "fc1 input", "appeared")
    assert [layer.op for layer in quantize.after] == ["quantize", "reformat", "reformat"]


def test_mxfp8_and_nvfp4_quantizers_are_matched():
    changes = diff_layers(layers_of("mxfp8"), layers_of("nvfp4_stock"))
    quantizers = [
        change
        for change in changes
        if [layer.op for layer in change.before] == ["quantize"] and change.after[0].op == "quantize"
    ]
    assert {change.place for change in quantizers} == {
        f"{p} input" for p in ("qkv", "proj", "fc1", "fc2", "head")
    }
    assert all(change.before[0].place == change.after[0].place for change in quantizers)


def test_q_k_and_v_are_matched_with_one_linear():
    fused = layers_of("mxfp8")
    gemm = next(layer for layer in fused if layer.role == "qkv" and layer.op == "gemm")
    parts = tuple(
        gemm.model_copy(
            update={
                "n": (gemm.n or 0) // 3,
                "onnx_nodes": tuple(node.replace("/qkv/", f"/{part}/") for node in gemm.onnx_nodes),
            }
        )
        for part in "qkv"
    )
    index = fused.index(gemm)
    changes = diff_layers((*fused[:index], *parts, *fused[index + 1 :]), fused)
    (change,) = [change for change in changes if change.kind != "same"]
    assert (change.kind, change.place) == ("fused", "qkv")
    assert [len(change.before), len(change.after)] == [3, 1]


def test_alike_blocks_are_listed_once():
    before, after = layers_of("fp16"), layers_of("nvfp4_stock")
    one = diff_layers(before, after)
    many = diff_layers(repeated(before, 4), repeated(after, 4))
    split = change_at(many, "fc1", "split")
    assert (split.blocks, split.count) == ((0, 1, 2, 3), 4)
    assert split.kernels == 4 * change_at(one, "fc1", "split").kernels
    assert len(many) == len(one)


def test_a_block_that_differs_is_listed_separately():
    before = repeated(layers_of("fp16"), 3)
    slower = tuple(
        layer.model_copy(update={"precision_in": "fp32", "precision_out": "fp32"})
        if layer.block == 1 and layer.role == "fc2"
        else layer
        for layer in before
    )
    (change,) = [change for change in diff_layers(before, slower) if change.kind != "same"]
    assert (change.kind, change.place, change.blocks) == ("precision", "fc2", (1,))


def test_another_shape_at_equal_bytes_is_a_change():
    before = layers_of("fp16")
    index = next(index for index, layer in enumerate(before) if layer.op == "gemm")
    other = before[index].model_copy(update={"n": before[index].k, "k": before[index].n + 1})
    changes = diff_layers(before, (*before[:index], other, *before[index + 1 :]))
    assert [change.kind for change in changes if change.kind != "same"] == ["replaced"]


def test_a_kernel_without_nodes_belongs_to_the_one_before_it():
    before = list(layers_of("fp16"))
    index = next(i for i, layer in enumerate(before) if layer.role == "qkv")
    move = before[index].model_copy(
        update={"role": "reformat", "op": "reformat", "onnx_nodes": (), "block": None, "m": None}
    )
    changes = diff_layers((*before[: index + 1], move, *before[index + 1 :]), tuple(before))
    (change,) = [change for change in changes if change.kind != "same"]
    assert (change.kind, change.place, change.blocks) == ("fused", "qkv", (0,))
    assert change.kernels == -1


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("/blocks/blocks.0/attn/q/MatMul", "blocks.0.attn.qkv.MatMul"),
        ("/blocks/blocks.11/attn/qkv/MatMul", "blocks.11.attn.qkv.MatMul"),
        (
            "blocks.0.attn.proj.weight_DequantizeLinear_1",
            "blocks.0.attn.proj.weight_quantizer.DequantizeLinear",
        ),
        (
            "/blocks/blocks.0/mlp/fc1/weight_quantizer/TRT_MXFP8DequantizeLinear",
            "blocks.0.mlp.fc1.weight_quantizer.DequantizeLinear",
        ),
        (
            "/blocks/blocks.0/mlp/fc1/input_quantizer/TRT_FP4DynamicQuantize",
            "blocks.0.mlp.fc1.input_quantizer.DynamicQuantize",
        ),
        ("/blocks/blocks.0/Add_1", "blocks.0.Add_1"),
        ("/Concat", "Concat"),
    ],
)
def test_names_that_all_exports_share(node, name):
    assert common_name(node) == name


def test_a_name_within_its_block():
    assert short_name("blocks.11.attn.proj.Add") == "attn.proj.Add"
    assert short_name("norm.LayerNormalization") == "norm.LayerNormalization"


@pytest.mark.parametrize(
    ("node", "place"),
    [
        ("/patch_embed/proj/Conv", "patch_embed"),
        ("/patch_embed/norm/LayerNormalization", "patch_embed"),
        ("/patch_embed/proj/input_quantizer/QuantizeLinear", "patch_embed input"),
        ("/blocks/blocks.0/attn/proj/MatMul", "proj"),
        ("/blocks/blocks.0/attn/proj/input_quantizer/QuantizeLinear", "proj input"),
        ("/norm/LayerNormalization", "norm"),
    ],
)
def test_the_patch_embedding_is_no_proj(node, place):
    """A copy is named after the module that it works for, and both have a module called ``proj``."""
    layer = layers_of("fp16")[0].model_copy(update={"role": "reformat", "onnx_nodes": (node,)})
    assert place_layers([layer])[0].place == place


MODEL = "vit_tiny_patch16_224 with depth="
TINY = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 1),))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            engine_of("fp16", TINY),
            engine_of("fp16", TINY.model_copy(update={"img_size": 256}), shape=(8, 3, 256, 256)),
            f"{MODEL}1, batch 8, 224 x 224 pixels and {MODEL}1, batch 8, 256 x 256 pixels: ",
        ),
        (
            engine_of("fp16", TINY),
            engine_of("fp16", TINY, batch=4, shape=(4, 3, 224, 224)),
            f"{MODEL}1, batch 8, 224 x 224 pixels and {MODEL}1, batch 4, 224 x 224 pixels: ",
        ),
        (
            engine_of("fp16", TINY),
            engine_of("fp16", TINY.model_copy(update={"overrides": (("depth", 2),)})),
            f"{MODEL}1, batch 8, 224 x 224 pixels and {MODEL}2, batch 8, 224 x 224 pixels: ",
        ),
        (
            engine_of("fp16", None),
            engine_of("fp16", None, shape=(4, 3, 224, 224)),
            "engines of x (8 x 3 x 224 x 224) and x (4 x 3 x 224 x 224): ",
        ),
        (
            engine_of("fp16", TINY),
            engine_of("fp16", None, shape=(4, 3, 224, 224)),
            "224 x 224 pixels and x (4 x 3 x 224 x 224): ",
        ),
    ],
    ids=("image size", "batch", "network", "bare files", "a bare file"),
)
def test_two_networks_batches_or_image_sizes_are_no_difference(before, after, words):
    with pytest.raises(IncompatibleResults) as caught:
        diff_engines(before, after)
    assert words in str(caught.value)
    assert str(caught.value).endswith(": diff takes two engines of one network, batch and image size")


def test_a_size_that_is_the_models_own_may_be_said_or_not():
    asked = TINY.model_copy(update={"img_size": 224, "seed": 3})
    diff = diff_engines(engine_of("fp16", TINY), engine_of("nvfp4_stock", asked))
    assert diff.before.model == diff.after.model == "vit_tiny_patch16_224 with depth=1"
    assert diff.before.inputs == diff.after.inputs == {"x": (8, 3, 224, 224)}
    assert diff.before.network == "vit_tiny_patch16_224 with depth=1, batch 8, 224 x 224 pixels"
    assert (diff.before.kernels, diff.after.kernels) == tuple(
        len(layers_of(name)) for name in ("fp16", "nvfp4_stock")
    )
