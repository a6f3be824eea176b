"""Whether what is timed really computes: its outputs are written, finite, not constant, and follow the input.

An arm that fails a check is not timed. A graph that captured nothing is the fastest of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trtbench.errors import Code, MeasureError
from trtbench.measure.buffers import POISON
from trtbench.results import GraphUse, TensorRecord

Outputs = Sequence[npt.NDArray[Any]]

_SAME = 0.1
_SAMPLE_IMAGES = 4
_SAMPLE_VALUES = 1000


@dataclass(frozen=True)
class _Words:
    """What a failed check of a query is called, by the way it is run."""

    what: str
    unwritten: Code
    ignores_input: Code
    differs: Code


_PLAIN = _Words("the query", Code.OUTPUT_NOT_WRITTEN, Code.OUTPUT_IGNORES_INPUT, Code.OUTPUT_UNSTABLE)
_GRAPH_CODES = (Code.GRAPH_EMPTY, Code.GRAPH_STALE, Code.GRAPH_DIFFERS)
_WORDS: dict[GraphUse, _Words] = {
    "none": _PLAIN,
    "captured": _Words("the captured CUDA graph", *_GRAPH_CODES),
    "runtime": _Words("the runtime's own CUDA graph", *_GRAPH_CODES),
}


def check_outputs(records: Sequence[TensorRecord], outputs: Outputs) -> None:
    """Check what a plain query wrote into poisoned memory.

    Raises:
        MeasureError: an output was not written or is not finite, or all are the same everywhere.
    """
    for record, values in zip(records, outputs, strict=True):
        _check_written(record, values, _PLAIN)
        wrong = int(np.count_nonzero(~np.isfinite(_float(values))))
        if wrong:
            raise MeasureError(
                f"output {record.name}: {wrong} of {values.size} values are not finite: "
                "the recipe overflows on images of mean 0 and standard deviation 1",
                code=Code.OUTPUT_NOT_FINITE,
            )
    several = [(record, values) for record, values in zip(records, outputs, strict=True) if values.size > 1]
    if several and all(np.all(values == values.flat[0]) for _, values in several):
        record, values = several[0]
        raise MeasureError(
            f"output {record.name}: all values are {values.flat[0]}", code=Code.OUTPUT_CONSTANT
        )


def check_follows(one: Outputs, other: Outputs, use: GraphUse) -> None:
    """Check that outputs for two inputs differ.

    Raises:
        MeasureError: they are the same.
    """
    if _distance(one, other) == 0:
        words = _WORDS[use]
        raise MeasureError(f"outputs of {words.what} are the same for two inputs", code=words.ignores_input)


def check_query(
    records: Sequence[TensorRecord], outputs: Outputs, reference: Outputs, other: Outputs, use: GraphUse
) -> None:
    """Check outputs of a query as it will be timed against plain queries on the same and on another input.

    They may differ from the first by a tenth of what another input changes: kernels may sum in any order.

    Raises:
        MeasureError: nothing was written, or the outputs are those of another input, or of neither.
    """
    words = _WORDS[use]
    for record, values in zip(records, outputs, strict=True):
        _check_written(record, values, words)
    change = _distance(reference, other)
    if _distance(outputs, reference) <= _SAME * change:
        return
    if _distance(outputs, other) <= _SAME * change:
        raise MeasureError(f"{words.what} gives the outputs of another input", code=words.ignores_input)
    raise MeasureError(
        f"outputs of {words.what} are off those of plain queries by "
        f"{_distance(outputs, reference) / change:.2g} times what another input changes",
        code=words.differs,
    )


def output_sample(outputs: Outputs) -> tuple[float, ...]:
    """Values of the first output for the first 4 images, at most 1000 of each."""
    images = np.atleast_1d(_float(outputs[0]))[:_SAMPLE_IMAGES]
    return tuple(float(x) for image in images for x in image.ravel()[:_SAMPLE_VALUES])


def _check_written(record: TensorRecord, values: npt.NDArray[Any], words: _Words) -> None:
    raw = np.ascontiguousarray(values).view(np.uint8).reshape(-1, values.dtype.itemsize)
    poisoned = int(np.count_nonzero((raw == POISON).all(axis=1)))
    # In integers the poison is a value like others.
    if (poisoned and poisoned == values.size) or (poisoned and not np.issubdtype(values.dtype, np.integer)):
        raise MeasureError(
            f"output {record.name}: {words.what} left {poisoned} of {values.size} values "
            "unwritten: its work is not on the stream that it was given, or it writes elsewhere",
            code=words.unwritten,
        )


def _distance(one: Outputs, other: Outputs) -> float:
    """Root of the sum of squared differences over all outputs."""
    pairs = zip(one, other, strict=True)
    return float(np.sqrt(sum(float(np.sum((_float(a) - _float(b)) ** 2)) for a, b in pairs)))


def _float(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return values.astype(np.float64)
