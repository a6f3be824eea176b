"""Calibration images as tensors."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from torch import Tensor, nn

from trtbench.errors import ExportError, SpecError
from trtbench.export.calibration import CalibrationImages, printable
from trtbench.export.model import image_shape
from trtbench.host.untrusted_files import check_untrusted
from trtbench.specs import CalibrationSpec

Transform = Callable[[Image.Image], Tensor]

_BATCH = 8  # that a laptop's memory holds
_CHANNELS = 3
_MAX_RATIO = 256  # of the sides: resized to 512 pixels, the image has 200 MB


class ImageBatches:
    """Calibration images ``(B, C, H, W)`` in float32, made anew in every pass: together they fill the memory.

    Raises:
        SpecError: the model does not take images of 3 channels.
    """

    samples = 0
    """Images of the last pass."""
    notes: tuple[str, ...] = ()
    """A note for each file of the last pass that is no image."""

    def __init__(self, images: CalibrationImages, model: nn.Module) -> None:
        self._images = images
        self._shape = image_shape(model)
        if images.paths and self._shape[0] != _CHANNELS:
            raise SpecError(
                f"calibration folder {images.spec.directory}: images have {_CHANNELS} channels, the model "
                f"takes {self._shape[0]}: calibrate with synthetic images"
            )
        self._transform = evaluation_transform(model) if images.paths else None

    def __iter__(self) -> Iterator[Tensor]:
        """Yield one batch after the other.

        Raises:
            ExportError: none of the files is an image.
        """
        self.samples, self.notes = 0, ()
        batch: list[Tensor] = []
        for image in self._all():
            if isinstance(image, str):
                self.notes += (f"calibration {image}",)
                continue
            batch.append(image)
            self.samples += 1
            if len(batch) == _BATCH:
                yield torch.stack(batch)
                batch = []
        if batch:
            yield torch.stack(batch)
        if not self.samples:
            folder = self._images.spec.directory
            raise ExportError(f"calibration folder {folder}: no file is an image: {self.notes[0]}")

    def _all(self) -> Iterator[Tensor | str]:
        spec = self._images.spec
        if self._transform is None:
            generator = torch.Generator().manual_seed(spec.seed)
            for _ in range(spec.samples):
                yield torch.randn(self._shape, generator=generator)
            return
        for path in self._images.paths:
            yield read_image(path, self._transform)


def synthetic_images(model: nn.Module, samples: int) -> ImageBatches:
    """Normal noise of mean 0 and deviation 1, which is what timm normalises photos to."""
    return ImageBatches(CalibrationImages(CalibrationSpec(samples=samples), ()), model)


def evaluation_transform(model: nn.Module) -> Transform:
    """What timm does to evaluate this model: resize, crop and normalise."""
    config = {**resolve_model_data_config(model), "input_size": image_shape(model)}
    transform: Transform = create_transform(**config, is_training=False)
    return transform


def read_image(path: Path, transform: Transform) -> Tensor | str:
    """Image ``(C, H, W)``, or a note that it cannot be read."""
    try:
        check_untrusted(path)
        with Image.open(path) as image:
            _refuse_narrow(image)
            return transform(image.convert("RGB"))
    # Pillow's decoders raise any of these for a damaged file.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"image left out: {printable(path)}: {printable(error)}"


def _refuse_narrow(image: Image.Image) -> None:
    """Timm resizes the short side to the model's and the long one with it."""
    width, height = image.size
    ratio = max(width, height) / min(width, height)
    if ratio > _MAX_RATIO:
        raise ValueError(f"{width} x {height} pixels are too narrow to resize")
