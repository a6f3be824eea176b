"""A timm model object in place of a name."""

import json
from pathlib import Path
from typing import Any

import pytest

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")

from trtbench.errors import SpecError  # noqa: E402
from trtbench.export.given import spec_of  # noqa: E402
from trtbench.export.model import build_model  # noqa: E402
from trtbench.request import ArgumentError, Shape, export_specs  # noqa: E402
from trtbench.specs.recipe import parse_recipe  # noqa: E402

NAME = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
ARGUMENTS = {"depth": 1, "num_classes": 7, "num_heads": 4, "global_pool": "avg", "class_token": False}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def small(**changes: Any) -> Any:
    return timm.create_model("vit_tiny_patch16_224", **{"depth": 1, **changes}).eval()


def test_name_arguments_and_weights_are_read_off_it() -> None:
    model = small(**ARGUMENTS)
    spec = spec_of(model)
    assert (spec.name, dict(spec.overrides), spec.img_size) == (NAME, ARGUMENTS, None)
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(build_model(spec)(images), model(images))


def test_the_same_weights_are_the_same_model_and_others_are_not() -> None:
    model = small(img_size=64).half()
    spec = spec_of(model)
    assert (spec.img_size, spec_of(model)) == (64, spec)
    with torch.no_grad():
        model.head.bias += 1
    assert spec_of(model).checkpoint != spec.checkpoint


def test_images_are_prepared_as_the_object_says() -> None:
    model = small()
    model.pretrained_cfg = {**model.pretrained_cfg, "mean": (0.1, 0.2, 0.3)}
    checkpoint = spec_of(model).checkpoint
    assert checkpoint is not None
    config = json.loads((Path(checkpoint.path) / "config.json").read_text())
    assert config["pretrained_cfg"]["mean"] == [0.1, 0.2, 0.3]


def test_a_changed_structure_is_refused() -> None:
    model = small()
    model.blocks[0].mlp.act = torch.nn.ReLU()
    with pytest.raises(SpecError, match=r"not what timm makes with depth=1: it differs in \(act\): ReLU"):
        spec_of(model)
    with pytest.raises(SpecError, match=r"Linear: timm.create_model did not make it"):
        spec_of(torch.nn.Linear(1, 1))


def test_arguments_of_its_own_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"overrides .*: the model object has its own; remove it"):
        export_specs([parse_recipe("fp16")], small(), [Shape(2)], {"overrides": {"depth": 2}})
