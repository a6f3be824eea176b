"""How images are prepared: as asked for, for any number of channels, for images that are not square."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from trtbench.cli.options import ModelOptions
from trtbench.cli.parse_model import export_specs
from trtbench.errors import SpecError
from trtbench.export import export_id
from trtbench.export.calibration import resolve_calibration
from trtbench.export.images import ImageBatches
from trtbench.export.metadata import metadata_of
from trtbench.export.model import meta_model
from trtbench.request import Shape, parse_recipes
from trtbench.specs import CalibrationSpec, HeightWidth, ModelSpec, PreparationSpec
from trtbench.verify.preprocess import Preprocessor

NAME = "vit_tiny_patch16_224"


def spec_of(channels: int = 3, **fields: Any) -> ModelSpec:
    return ModelSpec(name=NAME, overrides=(("depth", 1), ("in_chans", channels)), img_size=32, **fields)


def calibrated(folder: Path, spec: ModelSpec) -> tuple[Tensor, tuple[str, ...]]:
    """The images of a folder as quantizers see them, and notes."""
    batches = ImageBatches(resolve_calibration(CalibrationSpec(directory=str(folder))), meta_model(spec))
    return torch.cat(list(batches)), batches.notes


def test_pixels_are_normalised_as_asked_in_calibration_and_comparison(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (255, 0, 51)).save(tmp_path / "a.png")
    asked = PreparationSpec(mean=(0.5, 0.25, 0.2), std=(0.5, 0.25, 0.1))
    found, _ = calibrated(tmp_path, spec_of(preparation=asked))
    assert torch.allclose(found[0, :, 0, 0], torch.tensor([1.0, -1.0, 0.0]), atol=1e-6)
    compared = Preprocessor(spec_of(preparation=asked), (3, 32, 32))(tmp_path / "a.png")
    assert np.array_equal(compared, found[0].numpy())


def test_the_part_that_is_kept_is_the_one_asked_for(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:4] = 255  # a bright edge, which a crop of the middle loses
    Image.fromarray(pixels).save(tmp_path / "a.png")
    whole, _ = calibrated(tmp_path, spec_of(preparation=PreparationSpec(crop_pct=1.0)))
    middle, _ = calibrated(tmp_path, spec_of(preparation=PreparationSpec(crop_pct=0.5)))
    assert whole.max() > middle.max()


def test_images_need_not_be_square(tmp_path: Path) -> None:
    Image.new("RGB", (100, 60)).save(tmp_path / "a.png")
    spec = ModelSpec(name=NAME, overrides=(("depth", 1),), img_size=HeightWidth(64, 32))
    found, _ = calibrated(tmp_path, spec)
    assert found.shape == (1, 3, 64, 32)


def test_a_model_of_one_channel_takes_grey_images(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (128, 128, 128)).save(tmp_path / "a.png")
    found, _ = calibrated(tmp_path, spec_of(1, preparation=PreparationSpec(mean=(128 / 255,), std=(0.5,))))
    assert found.shape == (1, 1, 32, 32)
    assert torch.allclose(found, torch.zeros(1), atol=1e-6)


def test_grey_images_have_the_average_of_three_means(tmp_path: Path) -> None:
    spec = spec_of(1, preparation=PreparationSpec(mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.3)))
    export = export_specs(parse_recipes(["fp16"]), ModelOptions(model=NAME), [Shape(1)])[0]
    said = json.loads(metadata_of(meta_model(spec), export)["preprocessing"])
    assert (said["mean"], said["std"]) == (pytest.approx([0.4]), pytest.approx([0.2]))


def test_channels_come_from_files_that_have_as_many(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (255, 0, 0, 51)).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", np.full((4, 48, 40), 0.5, np.float32))
    Image.new("RGB", (40, 40)).save(tmp_path / "c.png")
    np.save(tmp_path / "d.npy", np.zeros((40, 40, 4), np.uint8))
    found, notes = calibrated(tmp_path, spec_of(4, preparation=PreparationSpec(mean=(0.0,), std=(1.0,))))
    assert found[:, :, 0, 0].tolist() == [
        pytest.approx(each, abs=1e-6) for each in ([1.0, 0.0, 0.0, 0.2], [0.5] * 4)
    ]
    assert "c.png: has 3 channels, the model takes 4" in notes[0]
    assert "d.npy: has the shape (40, 40, 4) of uint8, the model takes 4 channels: expected CHW" in notes[1]


def test_an_array_that_would_run_code_is_left_out(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 40, 40), np.uint8))
    np.save(tmp_path / "b.npy", np.array([print], dtype=object), allow_pickle=True)
    found, (note,) = calibrated(tmp_path, spec_of())
    assert len(found) == 1
    assert "b.npy" in note


@pytest.mark.parametrize(("channels", "count"), [(4, 3), (3, 2)])
def test_numbers_that_do_not_fit_the_channels_are_refused(channels: int, count: int) -> None:
    with pytest.raises(SpecError, match=f"the model takes {channels} channels, and mean has {count} numbers"):
        meta_model(spec_of(channels, preparation=PreparationSpec(mean=(0.5,) * count)))


def test_options_are_shared_recorded_and_part_of_the_identity() -> None:
    options = ModelOptions(model=NAME, mean="0.5,0.5,0.5", std="0.5", crop_pct=0.9, interpolation="bilinear")
    (spec,) = export_specs(parse_recipes(["fp16"]), options, [Shape(1)])
    (plain,) = export_specs(parse_recipes(["fp16"]), ModelOptions(model=NAME), [Shape(1)])
    assert spec.model.preparation == PreparationSpec(
        mean=(0.5, 0.5, 0.5), std=(0.5,), crop_pct=0.9, interpolation="bilinear"
    )
    assert export_id(spec) != export_id(plain)
    said = json.loads(metadata_of(meta_model(spec.model), spec)["preprocessing"])
    assert (said["mean"], said["std"], said["crop_pct"]) == ([0.5] * 3, [0.5] * 3, 0.9)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mean": "grey"}, "--mean grey: expected a number, or several separated by commas"),
        ({"std": "0"}, "--std 0.0: Input should be greater than 0"),
        ({"crop_pct": 1.5}, "--crop-pct 1.5: Input should be less than or equal to 1"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError) as refused:
        export_specs(parse_recipes(["fp16"]), ModelOptions(model=NAME, **options), [Shape(1)])
    assert str(refused.value).startswith(text)
