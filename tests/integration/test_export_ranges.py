"""Exports of weights and activations at the ends of FP16, by the real ModelOpt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from trtbench.errors import ExportError
from trtbench.export import export
from trtbench.export.model import build_model
from trtbench.specs import CheckpointSpec, ExportSpec, ModelSpec
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.store.files import file_record

State = dict[str, torch.Tensor]
FP16_MODELS = ("fp16", "int8", "fp8+fp8attn", "mxfp8", "nvfp4", "nvfp4@stock")
TINY = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 1),), img_size=32)


def massive_channel(state: State) -> None:
    """One channel of 81,000 behind GELU, as large pretrained ViTs have; every weight fits FP16."""
    state["blocks.0.mlp.fc1.bias"][5] = 60_000.0
    weight = state["blocks.0.mlp.fc1.weight"][5]
    weight *= 60_000 / weight.abs().sum()
    state["blocks.0.mlp.fc2.weight"][:, 5] *= 1e-4


def exported(recipe: str, edit: Callable[[State], None], store: Store, folder: Path) -> OnnxArtifact:
    state = {name: tensor.clone() for name, tensor in build_model(TINY).state_dict().items()}
    with torch.no_grad():
        edit(state)
    path = folder / "weights.safetensors"
    save_file(state, path)
    checkpoint = CheckpointSpec(path=str(path), sha256=file_record(path).sha256)
    model = TINY.model_copy(update={"checkpoint": checkpoint})
    return export(ExportSpec(model=model, recipe=recipe, batch=1), store)[0]


def scales(artifact: OnnxArtifact) -> dict[str, np.ndarray]:
    """Scales of all quantisers that are constants, in float64."""
    graph = onnx.load(artifact.payload).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    quantizers = [node for node in graph.node if node.op_type.lower().endswith("quantizelinear")]
    names = {node.input[1] for node in quantizers}
    return {name: arrays[name].astype(np.float64) for name in names if name in arrays}


@pytest.mark.parametrize("recipe", FP16_MODELS)
def test_an_activation_beyond_fp16_leaves_finite_scales_and_a_warning(
    recipe: str, store: Store, tmp_path: Path
) -> None:
    artifact = exported(recipe, massive_channel, store, tmp_path)
    assert all(np.isfinite(scale).all() and (scale > 0).all() for scale in scales(artifact).values())
    (finding,) = artifact.manifest.findings
    assert finding.code == "ACTIVATION_BEYOND_FP16"
    assert "blocks.0.mlp.fc1" in finding.layers
    assert finding.numbers["largest"] > 65_504
    assert finding.message.startswith("the output of blocks.0.mlp.fc1 reaches ")
    assert "bf16" in finding.hint


def test_bf16_holds_it(store: Store, tmp_path: Path) -> None:
    assert exported("bf16", massive_channel, store, tmp_path).manifest.findings == ()


def tiny_layer(state: State) -> None:
    state["blocks.0.mlp.fc1.weight"] *= 1e-6


def zero_values(state: State) -> None:
    """V of attention is zero for every image."""
    state["blocks.0.attn.qkv.weight"][-192:] = 0
    state["blocks.0.attn.qkv.bias"][-192:] = 0


@pytest.mark.parametrize("recipe", ["int8", "fp8", "fp8@stock"])
def test_the_scale_of_a_tiny_weight_is_a_number_of_fp16(recipe: str, store: Store, tmp_path: Path) -> None:
    artifact = exported(recipe, tiny_layer, store, tmp_path)
    for tensor in onnx.load(artifact.payload).graph.initializer:
        assert np.isfinite(numpy_helper.to_array(tensor).astype(np.float32)).all(), tensor.name
    smallest = min(scale.min() for scale in scales(artifact).values())
    assert smallest == 2.0**-24
    assert artifact.manifest.notes == ()
    assert [finding.code for finding in artifact.manifest.findings] == ["WEIGHT_BELOW_FP16"]
    assert artifact.manifest.findings[0].layers == ("blocks.0.mlp.fc1",)


@pytest.mark.parametrize("recipe", ["nvfp4+fp8attn"])
def test_the_scale_of_zeros_in_attention_is_not_zero(recipe: str, store: Store, tmp_path: Path) -> None:
    artifact = exported(recipe, zero_values, store, tmp_path)
    assert min(scale.min() for scale in scales(artifact).values()) == 2.0**-24


@pytest.mark.parametrize("recipe", ["fp16", "mxfp8@stock"])
def test_a_weight_beyond_fp16_is_refused(recipe: str, store: Store, tmp_path: Path) -> None:
    def large(state: State) -> None:
        state["blocks.0.norm1.weight"][5] = -7e4

    with pytest.raises(ExportError, match=r"weight blocks.0.norm1.weight reaches 70000, .* 65504: use bf16"):
        exported(recipe, large, store, tmp_path)
