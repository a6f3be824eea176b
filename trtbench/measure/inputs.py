"""The images that arms are timed on: the same values for every arm, in whatever type it takes them.

Power, and with it the clock, depends on the values that are multiplied: an input of zeros measures another
GPU. So images are like normalised photographs: smooth, with noise, of mean 0 and standard deviation 1.
"""

import math
from collections.abc import Sequence

import ml_dtypes
import numpy as np
import numpy.typing as npt

from trtbench.errors import MeasureError
from trtbench.results import TensorRecord

_DTYPES = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
_PATCH = 16
_SMOOTH_SHARE = 0.8
_STEPS_PER_UNIT = 32
_MOST_STEPS = 255


def make_inputs(
    records: Sequence[TensorRecord], seed: int, batch_index: int
) -> tuple[npt.NDArray[np.generic], ...]:
    """Make batch number ``batch_index`` of every input, an image ``(C, H, W)`` for each of its first extent.

    Raises:
        MeasureError: an input does not hold images of 16 or 32 bits a value.
    """
    return tuple(_input(record, (seed, position), batch_index) for position, record in enumerate(records))


def make_constants(records: Sequence[TensorRecord]) -> tuple[npt.NDArray[np.generic], ...]:
    """Make zeros for every input: the values that cost the least power to multiply."""
    return tuple(np.zeros(record.shape, _DTYPES[record.dtype]) for record in records)


def _input(record: TensorRecord, seed: tuple[int, ...], batch_index: int) -> npt.NDArray[np.generic]:
    if record.dtype not in _DTYPES or not record.shape:
        raise MeasureError(
            f"input {record.name} is {record.dtype} {record.shape}: expected images in {', '.join(_DTYPES)}"
        )
    batch, *shape = record.shape
    images = [make_image(tuple(shape), (*seed, batch_index * batch + index)) for index in range(batch)]
    return np.stack(images).astype(_DTYPES[record.dtype])


def make_image(shape: tuple[int, ...], seed: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Make one image ``shape`` in steps of 1/32, as coarse as 8-bit photographs: exact in 16 bits, too."""
    generator = np.random.default_rng(seed)
    noise = _standardised(generator.standard_normal(shape, np.float32))
    smooth = _standardised(_smooth(shape, generator))
    image = _standardised(math.sqrt(_SMOOTH_SHARE) * smooth + math.sqrt(1 - _SMOOTH_SHARE) * noise)
    # bfloat16 has 8 significant bits.
    steps = np.clip(np.rint(image * _STEPS_PER_UNIT), -_MOST_STEPS, _MOST_STEPS)
    return np.asarray(steps / _STEPS_PER_UNIT, np.float32)


def _smooth(shape: tuple[int, ...], generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """Random values on a coarse grid, interpolated along the last two axes."""
    extents = shape[-2:]
    field = generator.standard_normal((*shape[:-2], *(n // _PATCH + 2 for n in extents)), np.float32)
    for axis in range(-len(extents), 0):
        matrix = _interpolation(field.shape[axis], shape[axis])
        field = np.moveaxis(np.moveaxis(field, axis, -1) @ matrix, -1, axis)
    return field


def _interpolation(points: int, extent: int) -> npt.NDArray[np.float32]:
    """Matrix ``(points, extent)`` that interpolates linearly."""
    positions = np.linspace(0, points - 1, extent)
    distances = np.abs(positions[None, :] - np.arange(points)[:, None])
    return np.maximum(0.0, 1.0 - distances).astype(np.float32)


def _standardised(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    centred = values - values.mean()
    spread = float(centred.std())
    return np.asarray(centred / spread if spread > 0 else centred, np.float32)
