"""Calibration images, one batch at a time."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from trtbench.errors import ExportError
from trtbench.export import images
from trtbench.export.calibration import CalibrationImages, resolve_calibration
from trtbench.export.images import ImageBatches, read_image
from trtbench.export.model import meta_model
from trtbench.specs import CalibrationSpec, ModelSpec

TINY = meta_model(ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 1),), img_size=32))


def folder_of(path: Path, count: int) -> CalibrationImages:
    for index in range(count):
        Image.new("RGB", (40, 40), (index, 2 * index, 99)).save(path / f"{index:02}.png")
    return resolve_calibration(CalibrationSpec(directory=str(path), samples=100))


def test_photos_are_read_as_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = images.read_image
    monkeypatch.setattr(images, "read_image", lambda *given: (read.append(given[0]), original(*given))[1])
    batches = iter(ImageBatches(folder_of(tmp_path, 20), TINY))
    assert next(batches).shape == (8, 3, 32, 32)
    assert len(read) == 8
    assert [len(batch) for batch in batches] == [8, 4]


def test_every_pass_is_the_same(tmp_path: Path) -> None:
    for source in (folder_of(tmp_path, 10), CalibrationImages(CalibrationSpec(samples=10, seed=3), ())):
        batches = ImageBatches(source, TINY)
        first, second = torch.cat(list(batches)), torch.cat(list(batches))
        assert first.shape == (10, 3, 32, 32)
        assert torch.equal(first, second)
        assert batches.samples == 10


def test_synthetic_images_are_normal_noise() -> None:
    noise = torch.cat(list(ImageBatches(CalibrationImages(CalibrationSpec(samples=9), ()), TINY)))
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1)])
def test_a_file_without_a_usable_image_is_left_out(size: tuple[int, int], tmp_path: Path) -> None:
    source = folder_of(tmp_path, 2)
    Image.new("RGB", size).save(tmp_path / "narrow.png")
    (tmp_path / "text.jpg").write_text("no image")
    batches = ImageBatches(resolve_calibration(source.spec.model_copy(update={"sha256": None})), TINY)
    assert [len(batch) for batch in batches] == [2]
    narrow, text = batches.notes
    assert narrow == (
        f"calibration image left out: {tmp_path}/narrow.png: {size[0]} x {size[1]} pixels are too narrow to "
        "resize"
    )
    assert text.startswith(f"calibration image left out: {tmp_path}/text.jpg: cannot identify")


def test_a_note_writes_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    path.write_bytes(b"no image")
    note = str(read_image(path, lambda image: torch.zeros(3), 3))
    assert "caf\\xe9.png: cannot identify" in note
    note.encode()


def test_a_folder_without_a_usable_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    batches = ImageBatches(resolve_calibration(CalibrationSpec(directory=str(tmp_path))), TINY)
    with pytest.raises(ExportError, match=r"no file is an image: calibration image left out: .*a.png"):
        list(batches)
