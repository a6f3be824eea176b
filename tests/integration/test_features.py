"""Tokens behind chosen blocks as outputs: those of timm, in every recipe, of timm's models and of files."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.export import export
from trtbench.export.model import build_model
from trtbench.progress import silent
from trtbench.request import Shape, export_specs, parse_recipes
from trtbench.specs import BatchRange, BuildSpec, ExportSpec, InputsSpec, ModelSpec
from trtbench.store.artifacts import Store
from trtbench.verify import verify

WHOLE = ModelSpec(
    name="vit_tiny_patch16_224",
    overrides=(("depth", 3), ("embed_dim", 64), ("num_classes", 32), ("num_heads", 2), ("patch_size", 8)),
    img_size=32,
)
MODEL = WHOLE.model_copy(update={"features": (0, 1)})
EVA = ModelSpec(
    name="vit_small_patch16_rope_224",
    overrides=(("depth", 2), ("embed_dim", 64), ("num_heads", 2)),
    img_size=32,
    features=(1,),
)
RECIPES = ("fp16", "nvfp4+fp8attn", "fp8@stock")
BATCH = 2


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "whole.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            build_model(WHOLE), (torch.zeros(1, 3, 32, 32),), str(path), opset_version=17,
            dynamic_axes={"x": {0: "n"}}, input_names=["x"], dynamo=False,
        )  # fmt: skip
    return path


def timm_features(spec: ModelSpec, images: torch.Tensor) -> list[np.ndarray]:
    whole = build_model(spec.model_copy(update={"features": None}))
    with torch.inference_mode():
        pairs = whole.forward_intermediates(  # type: ignore[operator]
            images,
            indices=list(spec.features or ()),
            norm=False,
            output_fmt="NLC",
            intermediates_only=True,
            return_prefix_tokens=True,
        )
    return [torch.cat((prefix, patches), dim=1).numpy() for patches, prefix in pairs]


@pytest.mark.parametrize("model", [MODEL, EVA], ids=["vit", "rotary"])
def test_features_are_those_of_timm(model: ModelSpec, store: Store) -> None:
    onnx, _ = export(ExportSpec(model=model, recipe="fp32", batch=BATCH), store)
    images = torch.randn(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(str(onnx.payload))
    wanted = timm_features(model, images)
    names = [f"features_{block}" for block in model.features or ()]
    assert [each.name for each in session.get_outputs()] == names
    assert [each.shape for each in onnx.manifest.outputs] == [each.shape for each in wanted]
    for found, expected in zip(session.run(None, {"images": images.numpy()}), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("source", ["timm", "file"])
def test_every_recipe_is_verified_for_each_output(source: str, file: Path, store: Store) -> None:
    word = "vit_tiny_patch16_224" if source == "timm" else file
    arguments = {"features": (1, 0)}
    if source == "timm":
        arguments |= {"overrides": dict(WHOLE.overrides)}  # type: ignore[dict-item]
    recipes = RECIPES if source == "timm" else ("fp16", "nvfp4")
    specs = export_specs(parse_recipes(recipes), word, [Shape(BATCH, 32)], arguments)  # type: ignore[arg-type]
    found = verify(specs, store, InputsSpec(samples=4), silent)
    for row in found.rows:
        assert row.fidelity is not None, row.reason
        assert [each.name for each in row.fidelity.per_output] == ["features_0", "features_1"]
        assert [each.block for each in row.fidelity.per_block] == [0, 1]
        for output, block in zip(row.fidelity.per_output, row.fidelity.per_block, strict=True):
            assert output.sqnr_db == pytest.approx(block.sqnr_db, abs=0.5)
    assert "emulated_features_0_sqnr_db" in found.to_rows()[0]


def test_engines_of_both_have_the_blocks_up_to_the_last(file: Path, store: Store) -> None:
    recipe = parse_recipes(["nvfp4"])
    specs = [
        ExportSpec(model=MODEL, recipe=recipe[0], batch=BATCH),
        *export_specs(recipe, file, [Shape(BATCH)], {"features": (0, 1)}),
    ]
    audits = [inspect_engine(build(export(spec, store)[0], BuildSpec(), store, silent)[0]) for spec in specs]
    products = [
        [(layer.role, layer.block, layer.precision_in, layer.m, layer.n, layer.k) for layer in audit.layers]
        for audit in audits
    ]
    assert products[0] == products[1]
    assert {layer.block for layer in audits[0].layers if layer.role == "fc2"} == {0, 1}
    assert not [layer for layer in audits[0].layers if layer.role == "head"]
    assert audits[0].analytic_flops == audits[0].compiled_flops


def test_features_of_a_range_of_batches(store: Store) -> None:
    spec = ExportSpec(
        model=MODEL, recipe="nvfp4", batch=2, batch_range=BatchRange(minimum=1, optimum=2, maximum=4)
    )
    onnx, _ = export(spec, store)
    assert [output.shape for output in onnx.manifest.outputs] == [(2, 17, 64)] * 2
