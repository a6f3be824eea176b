"""Inputs and outputs of one arm on its device, and how many sets of them take turns.

Where the L2 cache is not to hold data of the previous query (``rotated``), queries take turns on sets of
inputs and outputs that together exceed twice the cache.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes  # noqa: F401  (numpy then knows bfloat16 by name)
import numpy as np
import numpy.typing as npt

from trtbench.errors import MeasureError
from trtbench.measure.device import Device
from trtbench.results import TensorRecord
from trtbench.runtimes import Runtime, Tensor
from trtbench.specs import L2Mode
from trtbench.units import format_bytes

POISON = 0xFF
"""Byte that fills outputs before a query; it makes not-a-number in every floating-point type."""

_MOST_SETS = 32


@dataclass(frozen=True)
class BufferSet:
    """Memory for all inputs and all outputs of one query."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def by_name(self) -> dict[str, Tensor]:
        """As a runtime binds them."""
        return {tensor.record.name: tensor for tensor in (*self.inputs, *self.outputs)}


def allocate_sets(device: Device, runtime: Runtime, l2: L2Mode) -> tuple[BufferSet, ...]:
    """Allocate as many sets as the L2 mode asks for.

    Raises:
        MeasureError: out of memory, or the L2 mode means nothing on this device.
    """
    set_bytes = sum(_nbytes(record) for record in (*runtime.inputs, *runtime.outputs))
    return tuple(
        BufferSet(_allocate(device, runtime.inputs), _allocate(device, runtime.outputs))
        for _ in range(count_sets(l2, device.l2_bytes, set_bytes))
    )


def count_sets(l2: L2Mode, l2_bytes: int | None, set_bytes: int) -> int:
    """How many sets of ``set_bytes`` an L2 mode needs; at most 32, since each has a graph of its own.

    Raises:
        MeasureError: the device has no L2 cache that could be flushed.
    """
    if l2 == "warm":
        return 1
    if l2_bytes is None:
        raise MeasureError(f"l2 {l2}: only a GPU's cache can be kept cold: measure with l2 warm")
    return 1 if l2 == "flushed" else min(max(2, math.ceil(2 * l2_bytes / set_bytes)), _MOST_SETS)


def rotation_note(sets: Sequence[BufferSet], l2_bytes: int | None) -> str | None:
    """Say so where the sets that take turns are too small for the cache."""
    total_bytes = sum(tensor.nbytes for one in sets for tensor in (*one.inputs, *one.outputs))
    if len(sets) == 1 or l2_bytes is None or total_bytes >= 2 * l2_bytes:
        return None
    return (
        f"the {len(sets)} sets of inputs and outputs that take turns hold {format_bytes(total_bytes)}, less "
        f"than twice the L2 cache ({format_bytes(l2_bytes)}): part of them stays in it; l2 flushed is colder"
    )


def upload_inputs(device: Device, buffers: BufferSet, values: Sequence[npt.NDArray[np.generic]]) -> None:
    """Fill the inputs of a set."""
    for tensor, array in zip(buffers.inputs, values, strict=True):
        device.upload(tensor, array)


def run_poisoned(
    device: Device,
    buffers: BufferSet,
    inputs: Sequence[npt.NDArray[np.generic]],
    start: Callable[[], None],
) -> tuple[npt.NDArray[Any], ...]:
    """Run one query on these inputs, its outputs poisoned before, and give the outputs."""
    upload_inputs(device, buffers, inputs)
    for tensor in buffers.outputs:
        device.fill(tensor, POISON)
    start()
    device.finish()
    return tuple(device.download(tensor) for tensor in buffers.outputs)


def _allocate(device: Device, records: Sequence[TensorRecord]) -> tuple[Tensor, ...]:
    return tuple(Tensor(record, device.allocate(_nbytes(record)), _nbytes(record)) for record in records)


def _nbytes(record: TensorRecord) -> int:
    return math.prod(record.shape) * np.dtype(record.dtype).itemsize
