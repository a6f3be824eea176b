"""Calibration images as tensors."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timm.data import create_transform
from torch import Tensor, nn

from trtbench.errors import ExportError
from trtbench.export.calibration import ARRAY_SUFFIX, CalibrationImages, printable
from trtbench.export.model import image_shape
from trtbench.export.preparation import preparation_of
from trtbench.host.untrusted_files import check_untrusted
from trtbench.specs import CalibrationSpec

Transform = Callable[[Image.Image | Tensor], Tensor]

_BATCH = 8  # that a laptop's memory holds
_MODES = {1: "L", 3: "RGB"}
_DIMENSIONS = "CHW"
_LARGEST = 255
_MAX_RATIO = 256  # of the sides: resized to 512 pixels, the image has 200 MB


class ImageBatches:
    """Calibration images ``(B, C, H, W)`` in float32, made anew in every pass, since all fill the memory."""

    samples = 0
    """Images of the last pass."""
    notes: tuple[str, ...] = ()
    """A note for each file of the last pass that is no image."""

    def __init__(self, images: CalibrationImages, model: nn.Module) -> None:
        self._images = images
        self._shape = image_shape(model)
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
            yield read_image(path, self._transform, self._shape[0])


def synthetic_images(model: nn.Module, samples: int) -> ImageBatches:
    """Normal noise of mean 0 and deviation 1, which is what timm normalises photos to."""
    return ImageBatches(CalibrationImages(CalibrationSpec(samples=samples), ()), model)


def evaluation_transform(model: nn.Module) -> Transform:
    """What timm does to evaluate this model: resize, crop and normalise."""
    return transform_of(model, image_shape(model))


def transform_of(model: nn.Module, shape: tuple[int, ...]) -> Transform:
    """The same for images of a known shape ``(C, H, W)``; only the configuration of the model is read."""
    transform: Transform = create_transform(
        **preparation_of(model, shape[0]), input_size=shape, is_training=False
    )
    return transform


def read_image(path: Path, transform: Transform, channels: int) -> Tensor | str:
    """Image ``(C, H, W)``, or a note that it cannot be read."""
    try:
        check_untrusted(path)
        if path.suffix.lower() == ARRAY_SUFFIX:
            return transform(_array(path, channels))
        with Image.open(path) as image:
            _refuse_narrow(*image.size)
            return transform(_of_channels(image, channels))
    # Pillow's decoders raise any of these for a damaged file.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        return f"image left out: {printable(path)}: {printable(error)}"


def _of_channels(image: Image.Image, channels: int) -> Image.Image | Tensor:
    """Grey for one channel, RGB for three; of other numbers the channels that the file has."""
    if channels in _MODES:
        return image.convert(_MODES[channels])
    if len(image.getbands()) != channels:
        raise ValueError(f"has {len(image.getbands())} channels, the model takes {channels}")
    return _scaled(torch.tensor(np.asarray(image)).permute(2, 0, 1))


def _array(path: Path, channels: int) -> Tensor:
    """Pixels ``(C, H, W)`` that numpy wrote: integers of 8 bits, or numbers from 0 to 1."""
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    if pixels.ndim != len(_DIMENSIONS) or pixels.shape[0] != channels or pixels.dtype.kind not in "uf":
        raise ValueError(
            f"has the shape {pixels.shape} of {pixels.dtype}, the model takes {channels} channels: expected "
            f"{_DIMENSIONS} of uint8, or of numbers from 0 to 1"
        )
    _refuse_narrow(pixels.shape[2], pixels.shape[1])
    return _scaled(torch.tensor(np.asarray(pixels)))


def _scaled(pixels: Tensor) -> Tensor:
    return pixels / _LARGEST if pixels.dtype == torch.uint8 else pixels.float()


def _refuse_narrow(width: int, height: int) -> None:
    """Timm resizes the short side to the model's and the long one with it."""
    ratio = max(width, height) / max(min(width, height), 1)
    if ratio > _MAX_RATIO:
        raise ValueError(f"{width} x {height} pixels are too narrow to resize")
