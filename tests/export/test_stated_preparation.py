import json
from pathlib import Path
from typing import Any

import pytest

from trtbench.errors import ExportError
from trtbench.export.stated_preparation import image_preparation, stated_file
from trtbench.specs import SourceSpec

PHOTOS = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
TIMM = {"mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.9, "interpolation": "bicubic"}


def beside(folder: Path, name: str, content: Any) -> SourceSpec:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text)
    return SourceSpec(kind="onnx", path=str(folder / "m.onnx"))


def test_without_a_file_it_is_an_assumption(tmp_path: Path) -> None:
    found = image_preparation(SourceSpec(kind="onnx", path=str(tmp_path / "m.onnx")))
    assert (found.config, found.is_assumed) == ({}, True)
    assert "preprocessor_config.json is missing" in found.note


def test_hugging_faces_file_says_it(tmp_path: Path) -> None:
    stated = {**PHOTOS, "resample": 3, "do_center_crop": True, "size": {"shortest_edge": 256}}
    stated |= {"crop_size": {"height": 224, "width": 224}}
    found = image_preparation(beside(tmp_path, "preprocessor_config.json", stated))
    assert found.config == {
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "interpolation": "bicubic",
        "crop_pct": 0.875,
        "crop_mode": "center",
    }
    assert found.note == (
        "images are prepared as preprocessor_config.json beside the model says: "
        "mean 0.5, 0.5, 0.5; std 0.25, 0.25, 0.25"
    )


@pytest.mark.parametrize(
    ("stated", "mean", "std"),
    [
        ({"do_normalize": False}, (0.0,), (1.0,)),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [255] * 3}, (0.5,) * 3, (1.0,) * 3),
        ({"rescale_factor": 1 / 127.5, "image_mean": 1.0, "image_std": [1.0]}, (0.5,), (0.5,)),
    ],
    ids=["not-normalised", "not-rescaled", "rescaled-otherwise"],
)
def test_statistics_are_of_pixels_from_0_to_1(
    stated: dict[str, Any], mean: tuple[float, ...], std: tuple[float, ...], tmp_path: Path
) -> None:
    found = image_preparation(beside(tmp_path, "preprocessor_config.json", {**PHOTOS, **stated}))
    assert found.config["mean"] == pytest.approx(mean)
    assert found.config["std"] == pytest.approx(std)


@pytest.mark.parametrize("stated", [{"pretrained_cfg": TIMM}, TIMM], ids=["inner", "flat"])
def test_timms_file_says_it(stated: dict[str, Any], tmp_path: Path) -> None:
    found = image_preparation(beside(tmp_path, "config.json", {"architecture": "vit", **stated}))
    expected = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "crop_pct": 0.9, "interpolation": "bicubic"}
    assert (found.config, found.is_assumed) == (expected, False)
    assert "config.json beside the model" in found.note


def test_another_config_says_nothing(tmp_path: Path) -> None:
    source = beside(tmp_path, "config.json", {"image_size": 224, "architectures": ["ViTModel"]})
    assert stated_file(source) is None
    assert image_preparation(source).is_assumed


@pytest.mark.parametrize(
    ("name", "stated", "message"),
    [
        ("config.json", {"mean": [0.5], "std": [0]}, "field std.0: Input should be greater than 0, got 0"),
        ("config.json", {"mean": "half"}, r"field mean: .* got 'half'"),
        ("config.json", "{", "invalid JSON"),
        ("config.json", "[" * 100_000, "invalid JSON: nested too deeply"),
        ("preprocessor_config.json", {"image_mean": ["a"], "image_std": [1]}, "image_mean, .* no numbers"),
        ("preprocessor_config.json", {**PHOTOS, "image_std": [0, 0, 0]}, "field std.0"),
    ],
)
def test_wrong_values_are_refused(name: str, stated: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=rf"{name}: .*{message}"):
        image_preparation(beside(tmp_path, name, stated))


def test_a_resampling_that_is_no_number_is_none_that_is_known(tmp_path: Path) -> None:
    source = beside(tmp_path, "preprocessor_config.json", {**PHOTOS, "resample": [3]})
    assert "interpolation" not in image_preparation(source).config
