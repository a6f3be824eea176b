"""The inputs that arms are timed on: the same values for every arm, in whatever type it takes them.

Power, and with it the clock, depends on the values that are multiplied: an input of zeros measures another
GPU. So inputs are like normalised photographs: smooth, with noise, of mean 0 and standard deviation 1.
Integers may be indices, and only the user knows of what: their values are given.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from trtbench.errors import MeasureError
from trtbench.host.untrusted_files import check_untrusted
from trtbench.results import TensorRecord
from trtbench.specs import InputValues

_IMAGE_DTYPES = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
_FEWEST_PIXELS = 16
"""Fewer values have no mean and standard deviation to speak of."""
_PATCH = 16
_SMOOTH_SHARE = 0.8
_STEPS_PER_UNIT = 32
_MOST_STEPS = 255


def make_inputs(
    records: Sequence[TensorRecord], seed: int, batch_index: int, given: Sequence[InputValues] = ()
) -> tuple[npt.NDArray[np.generic], ...]:
    """Make batch number ``batch_index`` of every input, an image ``(C, H, W)`` for each of its first extent.

    Args:
        records: the inputs.
        seed: of images, and of values from ranges.
        batch_index: 0 has the values of given files; other batches have them in another order.
        given: values of inputs that hold no images.

    Raises:
        MeasureError: an input holds no images and no values are given, or these do not fit.
    """
    values = _by_name(records, given)
    return tuple(
        _input(record, (seed, position), batch_index, values.get(record.name))
        for position, record in enumerate(records)
    )


def make_constants(
    records: Sequence[TensorRecord], given: Sequence[InputValues] = ()
) -> tuple[npt.NDArray[np.generic], ...]:
    """Make zeros, or the lowest value that is given: the values that cost the least power to multiply."""
    values = _by_name(records, given)
    return tuple(_constant(record, values.get(record.name)) for record in records)


def _by_name(records: Sequence[TensorRecord], given: Sequence[InputValues]) -> dict[str, InputValues]:
    names = [record.name for record in records]
    for each in given:
        if each.input not in names:
            raise MeasureError(f"--input {each.input}: the model has no such input, only {', '.join(names)}")
    return {each.input: each for each in given}


def _constant(record: TensorRecord, given: InputValues | None) -> npt.NDArray[np.generic]:
    lowest: Any = 0
    if given is not None:
        lowest = given.low if given.path is None else _read(record, given.path).min(initial=0)
    return np.full(record.shape, lowest).astype(record.dtype)


def _input(
    record: TensorRecord, seed: tuple[int, ...], batch_index: int, given: InputValues | None
) -> npt.NDArray[np.generic]:
    if given is not None:
        return _given(record, given, np.random.default_rng((*seed, batch_index)), batch_index)
    if record.dtype not in _IMAGE_DTYPES:
        raise MeasureError(
            f"input {record.name} is {record.dtype} {record.shape}, which holds no images: give its values "
            f"with --input {record.name}=LOW:HIGH or {record.name}=FILE.npy"
        )
    batch, *shape = record.shape or (1,)
    images = [make_image(tuple(shape), (*seed, batch_index * batch + index)) for index in range(batch)]
    return np.array(images).reshape(record.shape).astype(_IMAGE_DTYPES[record.dtype])


def _given(
    record: TensorRecord, given: InputValues, generator: np.random.Generator, batch_index: int
) -> npt.NDArray[np.generic]:
    if given.path is not None:
        values = _read(record, given.path)
        return generator.permutation(values.ravel()).reshape(values.shape) if batch_index else values
    low, high = float(given.low or 0), float(given.high or 0)
    if record.dtype in _IMAGE_DTYPES:
        return generator.uniform(low, high, record.shape).astype(_IMAGE_DTYPES[record.dtype])
    if not (low.is_integer() and high.is_integer()):
        raise MeasureError(f"--input {given.input}={low:g}:{high:g}: the input takes {record.dtype}")
    return generator.integers(int(low), int(high), record.shape, endpoint=True).astype(record.dtype)


def _read(record: TensorRecord, path: str) -> npt.NDArray[np.generic]:
    try:
        check_untrusted(Path(path))
        values: npt.NDArray[np.generic] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise MeasureError(f"{path}: cannot be read as .npy ({error}): save it with numpy.save") from error
    if values.shape != record.shape:
        raise MeasureError(
            f"{path}: holds {values.dtype} {values.shape}, and input {record.name} takes {record.dtype} "
            f"{record.shape}"
        )
    return values.astype(record.dtype)


def make_image(shape: tuple[int, ...], seed: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Make one image ``shape`` in steps of 1/32, as coarse as 8-bit photographs: exact in 16 bits, too."""
    generator = np.random.default_rng(seed)
    image = generator.standard_normal(shape, np.float32)
    if math.prod(shape) >= _FEWEST_PIXELS:
        noise, smooth = _standardised(image), _standardised(_smooth(shape, generator))
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
