"""Models that are not timm's: the same engines as timm's, and errors against their own file."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.export import export
from trtbench.export.model import build_model
from trtbench.progress import silent
from trtbench.request import Shape, export_specs
from trtbench.results import Audit
from trtbench.specs import BuildSpec, ExportSpec, InputsSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.verify import verify

TIMM = ModelSpec(
    name="vit_tiny_patch16_224",
    overrides=(("depth", 2), ("embed_dim", 64), ("num_classes", 32), ("num_heads", 2), ("patch_size", 8)),
    img_size=32,
)
RECIPE, BATCH = "nvfp4+fp8attn", 2
TORCHVISION = """
from torchvision.models import VisionTransformer
def small():
    return VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=64, mlp_dim=128, num_classes=8
    )
"""


@pytest.fixture(scope="module")
def timm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """timm's model as torch's exporter writes it, with LayerNorm and GELU in operators."""
    path = tmp_path_factory.mktemp("file") / "timm.onnx"
    images = torch.zeros(1, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            build_model(TIMM), (images,), str(path), opset_version=14, dynamic_axes={"x": {0: "n"}},
            input_names=["x"], dynamo=False,
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def audit_of(store: Store) -> Callable[[ExportSpec], Audit]:
    @cache
    def audit(spec: ExportSpec) -> Audit:
        return inspect_engine(build(export(spec, store)[0], BuildSpec(), store, silent)[0])

    return audit


def spec_of(word: str | Path, recipe: str = RECIPE) -> ExportSpec:
    return export_specs([parse_recipe(recipe)], word, [Shape(BATCH)], {})[0]


def kernels(audit: Audit) -> list[tuple[object, ...]]:
    return [
        (
            layer.role,
            layer.op,
            layer.block,
            layer.precision_in,
            layer.precision_out,
            layer.m,
            layer.n,
            layer.k,
        )
        for layer in audit.layers
    ]


def test_the_engine_of_a_file_is_that_of_the_model_it_was_made_of(
    timm_file: Path, audit_of: Callable[[ExportSpec], Audit]
) -> None:
    from_timm = audit_of(ExportSpec(model=TIMM, recipe=parse_recipe(RECIPE), batch=BATCH))
    from_file = audit_of(spec_of(timm_file))
    assert kernels(from_file) == kernels(from_timm)
    assert from_file.analytic_flops == from_timm.analytic_flops


def test_block_gemms_of_torchvision_are_in_fp4_and_attention_in_fp8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit_of: Callable[[ExportSpec], Audit]
) -> None:
    (tmp_path / "small_vit.py").write_text(TORCHVISION)
    monkeypatch.syspath_prepend(tmp_path)
    audit = audit_of(spec_of("small_vit:small"))
    linear = ("qkv", "proj", "fc1", "fc2")
    gemms = [layer for layer in audit.layers if layer.op == "gemm" and layer.role in linear]
    assert [layer.precision_in for layer in gemms] == ["fp4"] * 8
    assert audit.attention_precision == "fp8"


def test_errors_are_measured_against_the_file(timm_file: Path, store: Store) -> None:
    exports = [spec_of(timm_file, recipe) for recipe in ("fp32", "fp16")]
    wide, half = verify(exports, store, InputsSpec(samples=4), silent).rows
    assert wide.fidelity is not None
    assert half.fidelity is not None
    assert wide.fidelity.sqnr_db is None or wide.fidelity.sqnr_db > 100
    assert half.fidelity.sqnr_db is not None
    assert 50 < half.fidelity.sqnr_db < 80
    assert [block.block for block in half.fidelity.per_block] == [0, 1]
    assert half.fidelity.weights == "file"
    (note,) = half.fidelity.notes
    assert note.startswith("images are normalised with ImageNet's mean")


def transformers_models() -> dict[str, Callable[[], nn.Module]]:
    transformers = pytest.importorskip("transformers")
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 32,
        "patch_size": 16,
    }
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 64}
    text |= {"intermediate_size": 32, "bos_token_id": 1, "eos_token_id": 2}
    vision = {**sizes, "projection_dim": 16}
    return {
        "vit": lambda: transformers.ViTForImageClassification(transformers.ViTConfig(**sizes, num_labels=4)),
        "clip": lambda: transformers.CLIPModel(
            transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=16)
        ),
    }


@pytest.mark.parametrize("name", ["vit", "clip"])
def test_folders_of_transformers_become_timms_modules(name: str, tmp_path: Path, store: Store) -> None:
    transformers_models()[name]().save_pretrained(tmp_path / name)
    onnx, _ = export(spec_of(tmp_path / name, "fp16"), store)
    assert onnx.manifest.inputs[0].shape == (BATCH, 3, 32, 32)
    assert not any("left in FP16" in note for note in onnx.manifest.notes)


@pytest.mark.parametrize(("word", "layers"), [("fp16+sparse", 9), ("nvfp4+sparse", 13)])  # Q, K and V apart
def test_weights_of_a_file_are_pruned_as_those_of_the_model_it_was_made_of(
    word: str, layers: int, timm_file: Path, store: Store
) -> None:
    from_file, _ = export(spec_of(timm_file, word), store)
    from_timm, _ = export(ExportSpec(model=TIMM, recipe=parse_recipe(word), batch=BATCH), store)
    found = from_file.manifest.sparsity
    assert found is not None
    assert found == from_timm.manifest.sparsity
    assert found.layers == layers
    assert found.zeros >= found.weights // 2  # numbers that NVFP4 rounds to 0 count, too
    assert found.compliant_groups == found.groups
