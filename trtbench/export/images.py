"""Calibration images as tensors."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from torch import Tensor, nn

from trtbench.errors import ExportError, SpecError
from trtbench.export.calibration import CalibrationImages
from trtbench.export.model import image_shape

_BATCH = 8
_CHANNELS = 3


def load_images(images: CalibrationImages, model: nn.Module) -> tuple[Tensor, tuple[str, ...]]:
    """Preprocess the images as timm does to evaluate this model.

    Returns:
        Images ``(N, C, H, W)`` in float32, and a note for each file that is no image.

    Raises:
        SpecError: the model does not take images of 3 channels.
        ExportError: none of the files is an image.
    """
    if not images.paths:
        return synthetic_images(model, images.spec.samples, images.spec.seed), ()
    channels = image_shape(model)[0]
    if channels != _CHANNELS:
        raise SpecError(
            f"calibration folder {images.spec.directory}: images have {_CHANNELS} channels, the model takes "
            f"{channels}: calibrate with synthetic images"
        )
    config = {**resolve_model_data_config(model), "input_size": image_shape(model)}
    transform = create_transform(**config, is_training=False)
    read = [_read(path, transform) for path in images.paths]
    tensors = [image for image in read if isinstance(image, Tensor)]
    notes = tuple(note for note in read if isinstance(note, str))
    if not tensors:
        raise ExportError(f"calibration folder {images.spec.directory}: no file is an image: {notes[0]}")
    return torch.stack(tensors), notes


def synthetic_images(model: nn.Module, samples: int, seed: int) -> Tensor:
    """Normal noise ``(N, C, H, W)`` of mean 0 and deviation 1, which is what timm normalises photos to."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((samples, *image_shape(model)), generator=generator)


def _read(path: Path, transform: Callable[[Image.Image], Tensor]) -> Tensor | str:
    """Image ``(C, H, W)``, or a note that it cannot be read."""
    try:
        with Image.open(path) as image:
            return transform(image.convert("RGB"))
    # Pillow's decoders raise any of these for a damaged file.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"calibration image left out: {path}: {error}"


def batches(images: Tensor) -> Iterator[Tensor]:
    """Split ``(N, C, H, W)`` into batches that a laptop's memory holds."""
    for start in range(0, len(images), _BATCH):
        yield images[start : start + _BATCH]
